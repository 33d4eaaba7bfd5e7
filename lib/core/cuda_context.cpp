#include "lib/core/cuda_context.hpp"

#include "lib/core/cuda_process.hpp"
#include "lib/core/driver.hpp"

#include <ssugraph/error.hpp>

#include <string>

namespace ssugraph::detail {
namespace {

/** The first CUDA that tells where a stream's work runs. */
constexpr unsigned part_version = 12050;

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
stream_place own_place(stream_handle stream) {
  static const auto get =
      driver_function<PFN_cuStreamGetCtx_v12050>("cuStreamGetCtx", part_version);
  static const auto convert =
      driver_function<PFN_cuCtxFromGreenCtx_v12040>("cuCtxFromGreenCtx", part_version);
  stream_place place;
  check_driver(get(stream, &place.context, &place.part), "cuStreamGetCtx");
  if (place.part != nullptr)
    check_driver(convert(&place.part_context, place.part), "cuCtxFromGreenCtx");
  return place;
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

stream_place place_of(stream_handle stream, device home) {
  check_cuda_is_ours();
  if (is_default(stream)) {
    const context_handle current = current_context();
    const bool at_home = current != nullptr && current_device() == home.ordinal;
    return {.context = at_home ? current : primary_context(home.ordinal)};
  }
  const stream_place place = own_place(stream);
  const context_guard guard{place.context};
  if (const int ordinal = current_device(); ordinal != home.ordinal) {
    throw invalid_argument{"stream", "one of CUDA device " + std::to_string(home.ordinal),
                           "one of CUDA device " + std::to_string(ordinal)};
  }
  return place;
}

int multiprocessors(const stream_place& place) {
  static const auto get =
      driver_function<PFN_cuCtxGetDevResource_v12040>("cuCtxGetDevResource", part_version);
  CUdevResource resource{};
  const context_handle context = place.part != nullptr ? place.part_context : place.context;
  check_driver(get(context, &resource, CU_DEV_RESOURCE_TYPE_SM), "cuCtxGetDevResource");
  return static_cast<int>(resource.sm.smCount);
}

cuda_stream make_stream(const stream_place& place) {
  if (place.part == nullptr) return make_stream();
  static const auto create =
      driver_function<PFN_cuGreenCtxStreamCreate_v12050>("cuGreenCtxStreamCreate", part_version);
  cudaStream_t stream = nullptr;
  check_driver(create(&stream, place.part, CU_STREAM_NON_BLOCKING, 0), "cuGreenCtxStreamCreate");
  return cuda_stream{stream};
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
