#pragma once

#include <ssugraph/ssugraph.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>

#if SSUGRAPH_CUDA
#include <cuda_runtime_api.h>
#endif

/**
 * What the small examples stand on, where an engine has its own: memory, a stream, one small layer.
 * Everything is on the GPU where there is one, else on the host. Compile with SSUGRAPH_CUDA=1 where
 * the library was built with CUDA.
 */
namespace toy {

/** Never without SSUGRAPH_CUDA=1: the memory is the host's then. */
inline bool on_gpu() {
#if SSUGRAPH_CUDA
  return ssugraph::has_cuda_device();
#else
  return false;
#endif
}

inline ssugraph::target where() {
  return on_gpu() ? ssugraph::target::cuda : ssugraph::target::host;
}

inline std::string backend() {
  return on_gpu() ? "native" : "reference";
}

/** Ends an example that did not do what it shows. */
inline void expect(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error{"not so: " + what};
}

#if SSUGRAPH_CUDA
inline void check(cudaError_t code, const char* call) {
  if (code != cudaSuccess) throw ssugraph::cuda_error{code, call, cudaGetErrorString(code)};
}
#endif

/** Zeroed memory that both the CPU and the GPU reach. */
template <class T>
class array {
 public:
  explicit array(std::int64_t size) : size_{static_cast<std::size_t>(size)} {
#if SSUGRAPH_CUDA
    if (on_gpu()) {
      void* memory = nullptr;
      check(cudaMallocManaged(&memory, size_ * sizeof(T)), "cudaMallocManaged");
      memory_ = {static_cast<T*>(memory), [](T* data) { (void)cudaFree(data); }};
    }
#endif
    if (!memory_) {
      constexpr std::size_t line = 256;
      const std::size_t lines = (size_ * sizeof(T) + line - 1) / line;
      memory_ = {static_cast<T*>(std::aligned_alloc(line, lines * line)),
                 [](T* data) { std::free(data); }};
      if (!memory_) throw std::bad_alloc{};
    }
    clear();
  }

  [[nodiscard]] T* data() const {
    return memory_.get();
  }
  [[nodiscard]] std::span<T> values() const {
    return {memory_.get(), size_};
  }
  [[nodiscard]] T& operator[](std::int64_t i) const {
    return memory_.get()[i];
  }

  void clear() const {
    std::memset(data(), 0, size_ * sizeof(T));
  }
  void assign(const array& other) const {
    std::memcpy(data(), other.data(), size_ * sizeof(T));
  }
  [[nodiscard]] array copy() const {
    array other{static_cast<std::int64_t>(size_)};
    other.assign(*this);
    return other;
  }

  /** Other numbers between low and high for each first one. */
  void fill(float low, float high, std::uint32_t first) const requires std::is_same_v<T, float> {
    for (float& value : values()) {
      first = first * 1664525u + 1013904223u;
      value = low + (high - low) * static_cast<float>(first >> 8) * 0x1p-24f;
    }
  }

 private:
  std::unique_ptr<T, void (*)(T*)> memory_{nullptr, [](T*) {}};
  std::size_t size_;
};

/** The bits of both are the same. */
template <class T>
bool same_bits(const array<T>& a, const array<T>& b) {
  return std::memcmp(a.data(), b.data(), a.values().size_bytes()) == 0;
}

/** A stream; on the host none is needed. */
class stream {
 public:
#if SSUGRAPH_CUDA
  stream() {
    if (!on_gpu()) return;
    check(cudaStreamCreateWithFlags(&handle_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  }
  ~stream() {
    if (handle_ != nullptr) (void)cudaStreamDestroy(handle_);
  }
  void wait() const {
    if (handle_ != nullptr) check(cudaStreamSynchronize(handle_), "cudaStreamSynchronize");
  }
#else
  stream() = default;
  void wait() const {}
#endif
  stream(stream&&) = delete;

  [[nodiscard]] ssugraph::stream_handle get() const {
    return handle_;
  }

 private:
  ssugraph::stream_handle handle_ = nullptr;
};

inline constexpr std::int32_t max_batch = 8;
inline constexpr std::int64_t slots = max_batch + 1;  // slot 0 is the null block, nobody's
inline constexpr std::int64_t nheads = 4;
inline constexpr std::int64_t dim = 16;
inline constexpr std::int64_t dstate = 32;
inline constexpr std::int64_t rows = max_batch * nheads * dim;

/** Row after row of a dense float tensor (rows, nheads, dim). */
inline ssugraph::tensor_view row_view(const array<float>& of) {
  return {of.data(), ssugraph::dtype::float32, {max_batch, nheads, dim}};
}

/** A Mamba-2 layer: A and dt have one value a head, so stride 0 over dim and dstate. */
struct layer {
  /** Reads its rows from `x`, and the slots of its sequences from `indices` (max_batch). */
  layer(const array<float>& x, const array<std::int32_t>& indices, std::uint32_t number,
        ssugraph::dtype state_dtype = ssugraph::dtype::bfloat16) {
    using ssugraph::dtype;
    dt.fill(0.1f, 1, number + 1);
    A.fill(-1, -0.1f, number + 2);
    B.fill(-1, 1, number + 3);
    C.fill(-1, 1, number + 4);
    D.fill(-1, 1, number + 5);
    args.state = {state.data(), state_dtype, {slots, nheads, dim, dstate}};
    args.x = row_view(x);
    args.dt = {dt.data(), dtype::float32, {max_batch, nheads, dim}, {nheads, 1, 0}};
    args.A = {A.data(), dtype::float32, {nheads, dim, dstate}, {1, 0, 0}};
    args.B = {B.data(), dtype::float32, {max_batch, 1, dstate}};
    args.C = {C.data(), dtype::float32, {max_batch, 1, dstate}};
    args.D = {D.data(), dtype::float32, {nheads, dim}, {1, 0}};
    args.out = row_view(out);
    args.state_batch_indices = {indices.data(), dtype::int32, {max_batch}};
    args.dt_softplus = true;
  }

  array<float> state{slots * nheads * dim * dstate};  // large enough for every dtype
  array<float> dt{max_batch * nheads};
  array<float> A{nheads};
  array<float> B{max_batch * dstate};
  array<float> C{max_batch * dstate};
  array<float> D{nheads};
  array<float> out{rows};
  ssugraph::ssu_args args;
};

}  // namespace toy
