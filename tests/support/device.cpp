#include "tests/support/device.hpp"

#include <cstring>
#include <new>
#include <stdexcept>
#include <utility>

#if SSUGRAPH_CUDA
#include <cuda_runtime_api.h>
#endif

namespace ssugraph::test {
namespace {

constexpr std::align_val_t alignment{256};

#if SSUGRAPH_CUDA

void check(cudaError_t code, const char* call) {
  if (code == cudaSuccess) return;
  throw std::runtime_error{std::string{call} + ": " + cudaGetErrorString(code)};
}

std::byte* allocate_device(std::size_t bytes) {
  void* data = nullptr;
  check(cudaMalloc(&data, bytes), "cudaMalloc");
  check(cudaMemset(data, 0, bytes), "cudaMemset");
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  return static_cast<std::byte*>(data);
}

void free_device(std::byte* data) noexcept {
  cudaFree(data);
}

/**
 * Waits before and behind. A copy from pageable memory may return with its transfer still under
 * way, and a non-blocking stream would overtake it.
 */
void copy_device(void* to, const void* from, std::size_t bytes) {
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  check(cudaMemcpy(to, from, bytes, cudaMemcpyDefault), "cudaMemcpy");
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
}

#else

std::byte* allocate_device(std::size_t) {
  throw std::logic_error{"this build has no CUDA"};
}
void free_device(std::byte*) noexcept {}
void copy_device(void*, const void*, std::size_t) {}

#endif

}  // namespace

placed_memory::placed_memory(place where, std::size_t bytes) : where_{where}, size_{bytes} {
  if (where == place::device) {
    data_ = allocate_device(bytes);
  } else {
    data_ = static_cast<std::byte*>(::operator new(bytes, alignment));
    std::memset(data_, 0, bytes);
  }
}

placed_memory::placed_memory(place where, const arena& content)
    : placed_memory{where, content.size()} {
  write(0, {content.data(), content.size()});
}

placed_memory::placed_memory(placed_memory&& other) noexcept
    : where_{other.where_}, data_{std::exchange(other.data_, nullptr)}, size_{other.size_} {}

placed_memory::~placed_memory() {
  if (where_ == place::device) {
    free_device(data_);
  } else {
    ::operator delete(data_, alignment);
  }
}

void placed_memory::write(std::size_t offset, std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  if (where_ == place::device) return copy_device(data_ + offset, bytes.data(), bytes.size());
  std::memcpy(data_ + offset, bytes.data(), bytes.size());
}

void placed_memory::read(std::size_t offset, std::span<std::byte> bytes) const {
  if (bytes.empty()) return;
  if (where_ == place::device) return copy_device(bytes.data(), data_ + offset, bytes.size());
  std::memcpy(bytes.data(), data_ + offset, bytes.size());
}

arena placed_memory::read_all() const {
  arena content{size_};
  read(0, {content.data(), size_});
  return content;
}

#if SSUGRAPH_CUDA

void enqueue_copy(place where, void* to, const void* from, std::size_t bytes,
                  stream_handle stream) {
  if (where == place::host) {
    std::memcpy(to, from, bytes);
  } else {
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream), "cudaMemcpyAsync");
  }
}

placed_stream::placed_stream(place where) {
  if (where == place::host) return;
  check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
}

placed_stream::~placed_stream() {
  if (stream_ != nullptr) cudaStreamDestroy(stream_);
}

void placed_stream::wait() const {
  if (stream_ != nullptr) check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
}

#else

void enqueue_copy(place, void* to, const void* from, std::size_t bytes, stream_handle) {
  std::memcpy(to, from, bytes);
}

placed_stream::placed_stream(place) {}
placed_stream::~placed_stream() = default;
void placed_stream::wait() const {}

#endif

}  // namespace ssugraph::test
