// The helpers are all inline; this file gives the target something to compile.
#include "CKernels.h"
