#include "lib/core/cuda_context.hpp"

#include "lib/core/cuda_process.hpp"
#include "lib/core/driver.hpp"

#include <ssugraph/error.hpp>

#include <string>

namespace ssugraph::detail {
namespace {

/** Found together, so that what is pushed can be popped. */
struct context_stack {
  PFN_cuCtxGetCurrent_v4000 current = driver_function<PFN_cuCtxGetCurrent_v4000>("cuCtxGetCurrent");
  PFN_cuCtxPushCurrent_v4000 push = driver_function<PFN_cuCtxPushCurrent_v4000>("cuCtxPushCurrent");
  PFN_cuCtxPopCurrent_v4000 pop = driver_function<PFN_cuCtxPopCurrent_v4000>("cuCtxPopCurrent");
};

const context_stack& the_stack() {
  static const context_stack functions;
  return functions;
}

context_handle current_context() {
  context_handle current = nullptr;
  check_driver(the_stack().current(&current), "cuCtxGetCurrent");
  return current;
}

bool is_default(stream_handle stream) {
  return stream == nullptr || stream == cudaStreamLegacy || stream == cudaStreamPerThread;
}

int current_device() {
  int ordinal = 0;
  check_cuda(cudaGetDevice(&ordinal), "cudaGetDevice");
  return ordinal;
}

/** Of all questions about a stream, this one alone leaves a capture of it as it is. */
context_handle own_context(stream_handle stream) {
  static const auto get = driver_function<PFN_cuStreamGetCtx_v9020>("cuStreamGetCtx");
  context_handle context = nullptr;
  check_driver(get(stream, &context), "cuStreamGetCtx");
  return context;
}

}  // namespace

context_handle primary_context(int ordinal) {
  static const auto retain =
      driver_function<PFN_cuDevicePrimaryCtxRetain_v7000>("cuDevicePrimaryCtxRetain");
  static const auto release =
      driver_function<PFN_cuDevicePrimaryCtxRelease_v11000>("cuDevicePrimaryCtxRelease");
  // The runtime keeps it from here on.
  check_cuda(cudaInitDevice(ordinal, 0, 0), "cudaInitDevice");
  context_handle context = nullptr;
  check_driver(retain(&context, ordinal), "cuDevicePrimaryCtxRetain");
  check_driver(release(ordinal), "cuDevicePrimaryCtxRelease");
  return context;
}

context_handle context_of(stream_handle stream, device home) {
  check_cuda_is_ours();
  if (is_default(stream)) {
    const context_handle current = current_context();
    return current != nullptr && current_device() == home.ordinal ? current
                                                                  : primary_context(home.ordinal);
  }
  const context_handle context = own_context(stream);
  const context_guard guard{context};
  if (const int ordinal = current_device(); ordinal != home.ordinal) {
    throw invalid_argument{"stream", "one of CUDA device " + std::to_string(home.ordinal),
                           "one of CUDA device " + std::to_string(ordinal)};
  }
  return context;
}

int multiprocessors(context_handle context) {
  constexpr unsigned version = 12040;
  static const auto get =
      driver_function<PFN_cuCtxGetDevResource_v12040>("cuCtxGetDevResource", version);
  CUdevResource resource{};
  check_driver(get(context, &resource, CU_DEV_RESOURCE_TYPE_SM), "cuCtxGetDevResource");
  return static_cast<int>(resource.sm.smCount);
}

context_guard::context_guard(context_handle context) {
  check_cuda_is_ours();
  if (current_context() == context) return;
  check_driver(the_stack().push(context), "cuCtxPushCurrent");
  pushed_ = true;
}

context_guard::~context_guard() {
  context_handle popped = nullptr;
  if (pushed_) static_cast<void>(the_stack().pop(&popped));
}

device_guard::device_guard(int ordinal) {
  check_cuda_is_ours();
  if (current_device() != ordinal) context_.emplace(primary_context(ordinal));
}

}  // namespace ssugraph::detail
