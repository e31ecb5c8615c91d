#pragma once
#include <oneapi/dnnl/dnnl.h>

// Of libgomp, on whose threads Debian's oneDNN runs; its header is GCC's own.
void omp_set_num_threads(int count);
