/**
 * Forked processes and CUDA, which only one of a family can use. By argument:
 *
 *   host_target  who has all in host memory leaves CUDA to its children
 *   inherited    what a child cannot use is an error that says so, and no crash; the host target
 * works unseen       the same where the library was not used before the fork
 *
 * With a GPU that is used; without one, the driver's stub (stub_driver.c) is.
 */

#include "tests/consumer/layer.hpp"

#include <ssugraph/error.hpp>
#include <ssugraph/ssugraph.hpp>
#if SSUGRAPH_HAS_C_API
#include <ssugraph/ssugraph.h>
#endif

#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace {

using namespace ssugraph;

int faults = 0;

void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "forks: not so: %s\n", what);
  ++faults;
}

/** `call` throws invalid_state, of CUDA and the parent. */
void expect_refused(const char* what, const std::function<void()>& call) {
  std::string came = "no error";
  try {
    call();
  } catch (const invalid_state& error) {
    if (error.object() == "CUDA" && error.state().find("parent") != std::string::npos) return;
    came = error.what();
  } catch (const std::exception& error) {
    came = error.what();
  }
  std::fprintf(stderr, "forks: not so: %s is refused for the fork: %s\n", what, came.c_str());
  ++faults;
}

/** How many faults a child finds that does `work`, or that it died. */
int in_child(const std::function<void()>& work) {
  const pid_t child = fork();
  if (child == 0) {
    work();
    _exit(faults);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  std::fprintf(stderr, "forks: not so: the child lives on: signal %d\n", WTERMSIG(status));
  return 1;
}

bool driver_is_loaded() {
  const auto is_driver = [](dl_phdr_info* object, std::size_t, void*) {
    return std::strstr(object->dlpi_name, "libcuda.so") != nullptr ? 1 : 0;
  };
  return dl_iterate_phdr(is_driver, nullptr) != 0;
}

/** Initialises the driver, as any other library in the process may. */
bool use_driver() {
  void* driver = dlopen("libcuda.so.1", RTLD_NOW);
  if (driver == nullptr) return false;
  const auto init = reinterpret_cast<int (*)(unsigned)>(dlsym(driver, "cuInit"));
  return init != nullptr && init(0) == 0;
}

/** Everything that a process does that has no GPU. */
void use_host() {
  layer host;
  replay_twice(&host, target::host, nullptr);
  expect(replayed_twice(host), "the host target replays");
  ssu_dispatch{{.backend = "reference"}}.selective_state_update(args_of(&host), nullptr);
  expect(!backends_for(args_of(&host), {}).empty(), "backends answer");
  std::array<std::int64_t, 2> slots{0, 1};
  staging_ring ring{64, 1, device::host()};
  ring.begin();
  ring.take<std::int64_t>({slots.data(), dtype::int64, {2}}, 2)[0] = 0;
  ring.submit(nullptr);
  const std::array states{args_of(&host).state};
  reset_slots(states, tensor_view{slots.data(), dtype::int64, {1}}, nullptr);
  expect(host.state[0] == 0, "slots are reset");
}

/** Memory of this process alone: on the device, or what a fork does not copy. */
layer* make_own_memory() {
  void* memory = nullptr;
  if (has_cuda_device()) {
    expect(cudaMalloc(&memory, sizeof(layer)) == cudaSuccess, "there is device memory");
    const layer host;
    expect(cudaMemcpy(memory, &host, sizeof host, cudaMemcpyHostToDevice) == cudaSuccess, "a copy");
  } else {
    memory =
        mmap(nullptr, sizeof(layer), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    expect(madvise(memory, sizeof(layer), MADV_DONTFORK) == 0, "there is memory");
    new (memory) layer;
  }
  return static_cast<layer*>(memory);
}

void expect_nothing_begins() {
  expect(!has_cuda_device(), "a child finds no device");
  expect_refused("a builder", [] { pipeline_builder{{}, bucket_policy{{1}}}; });
  expect_refused("a staging ring", [] { staging_ring{64, 1, device{0}}; });
  layer host;
  expect_refused("an eager call", [&] {
    ssu_dispatch{{}, 0}.selective_state_update(args_of(&host), nullptr);
  });
#if SSUGRAPH_HAS_C_API
  constexpr std::array<std::int32_t, 1> buckets{2};
  ssugraph_builder* builder = nullptr;
  expect(ssugraph_builder_create(nullptr, buckets.data(), 1, SSUGRAPH_TARGET_CUDA, &builder) ==
             SSUGRAPH_STATUS_INVALID_STATE,
         "the C API gives the status of it");
#endif
  use_host();
}

void expect_no_memory(layer* parents) {
  expect_refused("an eager call on the parent's memory", [&] {
    ssu_dispatch{{}, 0}.selective_state_update(args_of(parents), nullptr);
  });
  expect_refused("one of the reference", [&] {
    ssu_dispatch{{.backend = "reference"}}.selective_state_update(args_of(parents), nullptr);
  });
  expect_refused("a host pipeline", [&] { replay_twice(parents, target::host, nullptr); });
  expect_refused("reset_slots", [&] {
    const tensor_view slots{&parents->state, dtype::int64, {1}};
    reset_slots(std::span<const tensor_view>{}, slots, nullptr);
  });
  expect_refused("load_slots", [&] {
    const tensor_view slots{&parents->state, dtype::int64, {1}};
    load_slots({}, {}, slots, nullptr);
  });
}

/** Ends what the parent made, too. */
void expect_no_lane(std::optional<pipeline>& built, std::optional<lane>& made,
                    std::optional<staging_ring>& ring) {
  expect_refused("a replay", [&] { made->replay(1, nullptr); });
  expect_refused("an eager run", [&] { made->run_eager(1, nullptr); });
  expect_refused("random_state", [&] { static_cast<void>(made->random_state()); });
  expect_refused("rebind", [&] { static_cast<void>(made->rebind({})); });
  expect_refused("make_lane", [&] { static_cast<void>(built->make_lane(nullptr)); });
  expect_refused("begin", [&] { ring->begin(); });
  made.reset();
  built.reset();
  ring.reset();
}

int host_target() {
  use_host();
  expect(!driver_is_loaded(), "the driver is left alone");
  const int theirs = in_child([] {
    if (has_cuda_device()) {
      layer* memory = make_own_memory();
      replay_twice(memory, target::cuda, nullptr);
      layer host;
      expect(cudaMemcpy(&host, memory, sizeof host, cudaMemcpyDeviceToHost) == cudaSuccess, "copy");
      expect(replayed_twice(host), "a child replays on the GPU");
    }
    expect(std::getenv("SSUGRAPH_STUB_VERSION") == nullptr || use_driver(),
           "a child can use the driver");
  });
  return faults + theirs;
}

int inherited() {
  if (!has_cuda_device() && !use_driver()) {
    std::puts("forks: skipped, no CUDA driver");
    return 0;
  }
  use_host();
  layer* memory = make_own_memory();
  std::optional<pipeline> built;
  std::optional<lane> made;
  std::optional<staging_ring> ring;
  if (has_cuda_device()) {
    built.emplace(pipeline_builder{{}, bucket_policy{{2}}}.ssu("layer", args_of(memory)).build());
    made.emplace(built->make_lane(nullptr));
    made->replay(2, nullptr);
    ring.emplace(64, 1, device{0});
  }
  const int theirs = in_child([&] {
    expect_nothing_begins();
    expect_no_memory(memory);
    if (made) expect_no_lane(built, made, ring);
  });
  if (made) {
    made->replay(1, nullptr);
    layer host;
    expect(cudaMemcpy(&host, memory, sizeof host, cudaMemcpyDeviceToHost) == cudaSuccess, "a copy");
    expect(replayed_twice(host), "the parent goes on");
  }
  return faults + theirs;
}

int unseen() {
  if (!use_driver()) {
    std::puts("forks: skipped, no CUDA driver");
    return 0;
  }
  // A runtime that is not the stub's has a context now, which may be the one of the library, too.
  if (std::getenv("SSUGRAPH_STUB_VERSION") == nullptr) cudaFree(nullptr);
  return in_child(expect_nothing_begins);
}

}  // namespace

int main(int argc, char** argv) {
  set_log_sink([](std::string_view) {});
  const std::string_view which = argc == 2 ? argv[1] : "";
  int found = -1;
  if (which == "host_target") found = host_target();
  if (which == "inherited") found = inherited();
  if (which == "unseen") found = unseen();
  std::printf("forks: %s, %d faults\n", argc == 2 ? argv[1] : "no case", found);
  return found == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
