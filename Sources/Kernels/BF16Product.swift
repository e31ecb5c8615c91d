#if OneDNN
  import COneDNN
  import Synchronization

  typealias BF16s = UnsafePointer<UInt16>

  /// C[m,n] (= or +=) A[m,k] B[k,n] of bf16 factors with float32 sums, row-major: oneDNN's code for one
  /// shape. Runs on the calling thread; any number of threads may run it at once.
  final class BF16Product: @unchecked Sendable {
    struct Shape: Hashable {
      var m, n, k: Int
      /// Elements from row to row, of the stored B where that is [n,k].
      var strideA, strideB, strideC: Int
      var transposesB: Bool
      var accumulates: Bool
    }

    private let scratchBytes: Int
    private let primitive: dnnl_primitive_t?
    private var a, b, c, scratch: dnnl_memory_desc_t

    /// The product of a shape, made on first use. A text's last segment may have any length, so the
    /// store is emptied before it fills memory with code.
    static func of(_ shape: Shape) -> BF16Product {
      products.withLock { known in
        if let product = known[shape] { return product }
        if known.count >= 256 { known.removeAll() }
        let product = BF16Product(shape)
        known[shape] = product
        return product
      }
    }

    private init(_ s: Shape) {
      omp_set_num_threads(1)
      a = matrix(s.m, s.k, dnnl_bf16, s.strideA, 1)
      b = matrix(s.k, s.n, dnnl_bf16, s.transposesB ? 1 : s.strideB, s.transposesB ? s.strideB : 1)
      c = matrix(s.m, s.n, dnnl_f32, s.strideC, 1)
      var operation = dnnl_matmul_desc_t()
      check(dnnl_matmul_desc_init(&operation, &a, &b, nil, &c))
      var attributes: dnnl_primitive_attr_t?
      check(dnnl_primitive_attr_create(&attributes))
      defer { check(dnnl_primitive_attr_destroy(attributes)) }
      check(dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user))
      if s.accumulates {
        var sum: dnnl_post_ops_t?
        check(dnnl_post_ops_create(&sum))
        defer { check(dnnl_post_ops_destroy(sum)) }
        check(dnnl_post_ops_append_sum(sum, 1))
        check(dnnl_primitive_attr_set_post_ops(attributes, sum))
      }
      var description: dnnl_primitive_desc_t?
      check(dnnl_primitive_desc_create(&description, &operation, attributes, engine, nil))
      defer { check(dnnl_primitive_desc_destroy(description)) }
      scratch = dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0).pointee
      scratchBytes = dnnl_memory_desc_get_size(&scratch)
      var made: dnnl_primitive_t?
      check(dnnl_primitive_create(&made, description))
      primitive = made
    }

    deinit { check(dnnl_primitive_destroy(primitive)) }

    func run(_ c: MutableFloats, _ a: BF16s, _ b: BF16s, _ scratch: Scratch, _ worker: Int) {
      let room = scratch.floats(worker: worker, count: (scratchBytes + 3) / 4)
      // The tiles are the parallelism. The number is the calling thread's own.
      omp_set_num_threads(1)
      var stream: dnnl_stream_t?
      check(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags.rawValue))
      let arguments = [
        argument(DNNL_ARG_SRC, self.a, UnsafeMutableRawPointer(mutating: a)),
        argument(DNNL_ARG_WEIGHTS, self.b, UnsafeMutableRawPointer(mutating: b)),
        argument(DNNL_ARG_DST, self.c, c), argument(DNNL_ARG_SCRATCHPAD, self.scratch, room),
      ]
      check(dnnl_primitive_execute(primitive, stream, Int32(arguments.count), arguments))
      check(dnnl_stream_wait(stream))
      for argument in arguments { check(dnnl_memory_destroy(argument.memory)) }
      check(dnnl_stream_destroy(stream))
    }
  }

  private let products = Mutex<[BF16Product.Shape: BF16Product]>([:])

  nonisolated(unsafe) private let engine: dnnl_engine_t? = {
    // Products are kept here, and let go together.
    check(dnnl_set_primitive_cache_capacity(0))
    var engine: dnnl_engine_t?
    check(dnnl_engine_create(&engine, dnnl_cpu, 0))
    return engine
  }()

  /// Shapes and pointers are ours: what is left is that memory is short.
  func check(_ status: dnnl_status_t) {
    precondition(status == dnnl_success, "oneDNN: status \(status.rawValue)")
  }

  private func matrix(
    _ rows: Int, _ columns: Int, _ type: dnnl_data_type_t, _ rowStride: Int, _ columnStride: Int
  ) -> dnnl_memory_desc_t {
    var description = dnnl_memory_desc_t()
    check(
      dnnl_memory_desc_init_by_strides(
        &description, 2, [Int64(rows), Int64(columns)], type,
        [Int64(rowStride), Int64(columnStride)]))
    return description
  }

  private func argument(
    _ name: Int32, _ description: dnnl_memory_desc_t, _ pointer: UnsafeMutableRawPointer
  ) -> dnnl_exec_arg_t {
    var memory: dnnl_memory_t?
    withUnsafePointer(to: description) { check(dnnl_memory_create(&memory, $0, engine, pointer)) }
    return dnnl_exec_arg_t(arg: name, memory: memory)
  }
#endif
