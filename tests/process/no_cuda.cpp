/** Where no CUDA device can be used, everybody is told why. Arguments: words of the reason. */

#include "tests/consumer/layer.hpp"

#include <ssugraph/error.hpp>
#include <ssugraph/ssugraph.hpp>
#if SSUGRAPH_HAS_C_API
#include <ssugraph/ssugraph.h>
#endif

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <span>
#include <string>

namespace {

using namespace ssugraph;

int faults = 0;

void expect_reason(const std::string& text, std::span<char*> words) {
  for (const char* word : words) {
    if (text.find(word) != std::string::npos) continue;
    std::printf("no_cuda: not so: '%s' in: %s\n", word, text.c_str());
    ++faults;
  }
}

template <class Error>
std::string text_of(const std::function<void()>& call) {
  try {
    call();
    return "no error";
  } catch (const Error& error) {
    return error.what();
  } catch (const std::exception& error) {
    return std::string{"another error: "} + error.what();
  }
}

#if SSUGRAPH_HAS_C_API
/** The C API is told of a tensor on device 0. */
std::string text_of_c() {
  layer host;
  std::int64_t shape[] = {2, 1, 1, 1};
  DLTensor state{};
  state.data = &host.state;
  state.device = {kDLCUDA, 0};
  state.ndim = 4;
  state.dtype = {kDLFloat, 32, 1};
  state.shape = shape;
  ssugraph_ssu_args args{};
  args.struct_size = sizeof args;
  args.state = &state;
  const auto ignore = [](void*, const char*, const char*) {};
  const ssugraph_status status = ssugraph_backends_for(nullptr, &args, ignore, nullptr);
  return status == SSUGRAPH_STATUS_INVALID_ARGUMENT ? ssugraph_last_error() : "another status";
}
#endif

}  // namespace

int main(int argc, char** argv) {
  const std::span words{argv + 1, static_cast<std::size_t>(argc - 1)};
  if (has_cuda_device()) {
    std::puts("no_cuda: skipped, there is a CUDA device");
    return EXIT_SUCCESS;
  }
  layer host;
  expect_reason(text_of<unsupported>([] { pipeline_builder{{}, bucket_policy{{1}}}; }), words);
  expect_reason(text_of<unsupported>([] { staging_ring{64, 2, device{0}}; }), words);
  expect_reason(text_of<unsupported>([&] {
                  ssu_dispatch{{}, 0}.selective_state_update(args_of(&host), nullptr);
                }),
                words);
#if SSUGRAPH_HAS_C_API
  expect_reason(text_of_c(), words);
#endif
  replay_twice(&host, target::host, nullptr);
  if (!replayed_twice(host)) ++faults;
  std::printf("no_cuda: %d faults\n", faults);
  return faults == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
