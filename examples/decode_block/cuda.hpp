#pragma once

#include <ssugraph/error.hpp>

#include <cuda_bf16.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

/** Memory, streams and events that clean up after themselves; every call checked. */
namespace decode_block {

using bf16 = __nv_bfloat16;

/** Throws cuda_error unless `code` is success. */
inline void check(cudaError_t code, const std::string& call) {
  if (code != cudaSuccess) throw ssugraph::cuda_error{code, call, cudaGetErrorString(code)};
}

struct cuda_release {
  void operator()(cudaStream_t stream) const { (void)cudaStreamDestroy(stream); }
  void operator()(cudaEvent_t event) const { (void)cudaEventDestroy(event); }
  void operator()(void* memory) const { (void)cudaFree(memory); }
};
using unique_stream = std::unique_ptr<CUstream_st, cuda_release>;
using unique_event = std::unique_ptr<CUevent_st, cuda_release>;

[[nodiscard]] inline unique_stream make_stream() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  return unique_stream{stream};
}

[[nodiscard]] inline unique_event make_event() {
  cudaEvent_t event = nullptr;
  check(cudaEventCreate(&event), "cudaEventCreate");
  return unique_event{event};
}

/** Zeroed device memory for `size()` elements; const like a pointer: what it holds may change. */
template <class T>
class device_array {
 public:
  device_array() = default;
  explicit device_array(std::int64_t size) : size_{size} {
    void* memory = nullptr;
    check(cudaMalloc(&memory, bytes()), "cudaMalloc of " + std::to_string(bytes()) + " bytes");
    memory_.reset(memory);
    check(cudaMemset(memory, 0, bytes()), "cudaMemset");
    // On the legacy stream, which our streams do not wait for.
    check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  }

  [[nodiscard]] T* data() const { return static_cast<T*>(memory_.get()); }
  [[nodiscard]] std::int64_t size() const { return size_; }
  [[nodiscard]] std::size_t bytes() const { return static_cast<std::size_t>(size_) * sizeof(T); }
  [[nodiscard]] std::span<std::byte> as_bytes() const {
    return {reinterpret_cast<std::byte*>(data()), bytes()};
  }

 private:
  std::int64_t size_ = 0;
  std::unique_ptr<void, cuda_release> memory_;
};

/** `count` elements, behind what `stream` still runs. */
template <class T>
[[nodiscard]] std::vector<T> download(const T* from, std::int64_t count, cudaStream_t stream) {
  std::vector<T> to(static_cast<std::size_t>(count));
  check(cudaMemcpyAsync(to.data(), from, to.size() * sizeof(T), cudaMemcpyDeviceToHost, stream),
        "cudaMemcpyAsync to the host");
  check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
  return to;
}

/** Elements first .. first + count - 1. */
template <class T>
[[nodiscard]] std::vector<T> download(const device_array<T>& from, std::int64_t first,
                                      std::int64_t count, cudaStream_t stream) {
  return download(from.data() + first, count, stream);
}

template <class T>
[[nodiscard]] std::vector<T> download(const device_array<T>& from, cudaStream_t stream) {
  return download(from, 0, from.size(), stream);
}

/** Overwrites the first elements, in stream order; `from` may go when this returns. */
template <class T>
void upload(const device_array<T>& to, const std::vector<T>& from, cudaStream_t stream) {
  check(cudaMemcpyAsync(to.data(), from.data(), from.size() * sizeof(T), cudaMemcpyHostToDevice,
                        stream),
        "cudaMemcpyAsync to the device");
}

}  // namespace decode_block
