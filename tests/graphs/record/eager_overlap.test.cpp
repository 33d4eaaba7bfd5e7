#include "tests/graphs/step_kernels.hpp"
#include "tests/support/execution.hpp"

#include <ssugraph/ssugraph.hpp>

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <string>
#include <utility>
#include <vector>

/**
 * Eager calls behind a kernel of the caller's that lets them start at once and writes, much later,
 * what they read or write: launched programmatically as in full order, bit for bit. So is what a
 * caller's graph has behind an edge that he made programmatic himself.
 */
namespace ssugraph::test {
namespace {

constexpr int rounds = 20;
constexpr int pause_us = 30;
constexpr overlap triggers{.launched_early = false, .triggers = true};

/** The bytes from a tensor's first element to the end of its last; its strides are not negative. */
byte_range bytes_of(const tensor_view& tensor) {
  std::int64_t elements = 1;
  for (int axis = 0; axis < tensor.rank(); ++axis)
    elements += (tensor.extent(axis) - 1) * tensor.stride(axis);
  return {tensor.data(), static_cast<std::size_t>(elements * size_of(tensor.dtype()))};
}

using enqueue = std::function<void(stream_handle)>;

/** Enqueues as it is, or captures and launches. */
void run(const enqueue& work, bool captured, stream_handle stream) {
  if (!captured) return work(stream);
  ASSERT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  work(stream);
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(stream, &graph), cudaSuccess);
  cudaGraphExec_t executable = nullptr;
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
  ASSERT_EQ(cudaGraphLaunch(executable, stream), cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(cudaGraphExecDestroy(executable), cudaSuccess);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
}

/** Backends with an algorithm each. */
const std::vector<mamba_config> configs{{.backend = "native"},
                                        {.backend = "native", .algorithm = "scalar"},
                                        {.backend = "triton"},
                                        {.backend = "flashinfer"}};

class eager_overlap : public testing::TestWithParam<mamba_config> {
 protected:
  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
    try {
      ssu_dispatch{GetParam()};
    } catch (const unsupported& error) {
      GTEST_SKIP() << error.what();
    }
  }

  /** One token, or several, of Mamba-2 layers that every backend has compiled. */
  static ssu_case layer(ssu_mode mode) {
    case_spec spec;
    spec.mode = mode;
    spec.has_cu_seqlens = mode != ssu_mode::plain;
    spec.max_seqlen = mode == ssu_mode::plain ? 1 : 4;
    spec.batch = spec.capacity = 8;
    spec.nheads = 8;
    spec.dim = 64;
    spec.dstate = 128;
    spec.state_dtype = spec.io_dtype = dtype::bfloat16;
    random_engine engine{base_seed()};
    return make_case(spec, engine);
  }

  /** Memory after rounds of a slow copy into `member` and two calls behind it. */
  static arena after(const ssu_case& test, tensor_view ssu_args::*member, bool programmatic,
                     bool captured, bool behind_memset = false) {
    const placed_memory memory{place::device, test.memory};
    const placed_stream stream{place::device};
    const ssu_args args = first_sequences(test.args_at(memory.data()), test.batch);
    const byte_range range = bytes_of(args.*member);
    std::vector<std::byte> content(range.bytes);
    memory.read(static_cast<std::size_t>(static_cast<const std::byte*>(range.data) - memory.data()),
                content);
    // Late, the first half; until then a call finds what the round before left there.
    std::vector<placed_memory> sources;
    for (int i = 0; i < 2; ++i) {
      std::rotate(content.begin(), content.begin() + 4, content.end());
      sources.emplace_back(place::device, range.bytes).write(0, content);
    }
    ssu_dispatch dispatch{GetParam(), 0, {.programmatic_dependent_launch = programmatic}};
    for (int round = 0; round < rounds; ++round) {
      run(
          [&](stream_handle on) {
            enqueue_slow_copy(const_cast<void*>(range.data),
                              sources[static_cast<std::size_t>(round % 2)].data(),
                              range.bytes / 8 * 4, pause_us, triggers, on);
            if (behind_memset) {
              EXPECT_EQ(cudaMemsetAsync(args.out.data(), 0, 4, on), cudaSuccess);
            }
            dispatch.selective_state_update(args, on);
            dispatch.selective_state_update(args, on);
          },
          captured, stream.get());
    }
    stream.wait();
    return memory.read_all();
  }
};

TEST_P(eager_overlap, changes_no_result) {
  for (const ssu_mode mode : {ssu_mode::plain, ssu_mode::varlen, ssu_mode::speculative}) {
    const ssu_case test = layer(mode);
    try {
      const placed_memory memory{place::device, test.memory};
      (void)ssu_dispatch{GetParam()}.plan(first_sequences(test.args_at(memory.data()), test.batch));
    } catch (const unsupported& error) {
      std::printf("%s: %s\n", to_string(mode).c_str(), error.what());
      continue;
    }
    for (const auto& [name, member] : {std::pair{"x", &ssu_args::x},
                                       {"state", &ssu_args::state},
                                       {"out", &ssu_args::out},
                                       {"B", &ssu_args::B}}) {
      SCOPED_TRACE(to_string(mode) + " " + name);
      const arena expected = after(test, member, false, false);
      EXPECT_EQ(after(test, member, true, false), expected) << "on a stream";
      EXPECT_EQ(after(test, member, true, true), expected) << "in a capture";
      EXPECT_EQ(after(test, member, true, true, true), after(test, member, false, false, true))
          << "in a capture, behind no kernel";
    }
  }
}

TEST_P(eager_overlap, of_an_edge_that_a_caller_made_programmatic_changes_no_result) {
  if (GetParam().backend == "flashinfer") GTEST_SKIP() << "whose own kernels do not promise it";
  if (!can_overlap()) GTEST_SKIP() << "no programmatic dependent launch";
  const ssu_case test = layer(ssu_mode::plain);
  const auto after = [&](bool programmatic) {
    const placed_memory memory{place::device, test.memory};
    const placed_stream stream{place::device};
    const ssu_args args = first_sequences(test.args_at(memory.data()), test.batch);
    const byte_range range = bytes_of(args.x);
    const placed_memory source{place::device, range.bytes};  // zeros
    ssu_dispatch dispatch{GetParam()};
    run(
        [&](stream_handle on) {
          enqueue_slow_copy(const_cast<void*>(range.data), source.data(), range.bytes / 4 * 4, 1000,
                            triggers, on);
          if (programmatic) overlap_next(on);
          dispatch.selective_state_update(args, on);
        },
        true, stream.get());
    return memory.read_all();
  };
  EXPECT_EQ(after(true), after(false));
}

INSTANTIATE_TEST_SUITE_P(, eager_overlap, testing::ValuesIn(configs), [](const auto& info) {
  return info.param.backend + (info.param.algorithm == "auto" ? "" : "_" + info.param.algorithm);
});

TEST(reset_slots_overlap, of_an_edge_that_a_caller_made_programmatic_changes_no_result) {
  if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  if (!can_overlap()) GTEST_SKIP() << "no programmatic dependent launch";
  const placed_stream stream{place::device};
  placed_memory state{place::device, std::size_t{8} * 64 * 4};
  state.write(0, std::vector<std::byte>(state.size(), std::byte{1}));
  const placed_memory slots{place::device, std::size_t{4}};  // slot 0, until the copy is there
  placed_memory source{place::device, std::size_t{4}};
  source.write(0, std::vector{std::byte{5}, std::byte{0}, std::byte{0}, std::byte{0}});
  run(
      [&](stream_handle on) {
        enqueue_slow_copy(slots.data(), source.data(), 4, 1000, triggers, on);
        overlap_next(on);
        const std::vector<tensor_view> states{{state.data(), dtype::float32, {8, 1, 4, 16}}};
        reset_slots(states, tensor_view{slots.data(), dtype::int32, {1}}, on);
      },
      true, stream.get());
  std::vector<std::byte> first(1);
  state.read(0, first);
  EXPECT_EQ(first[0], std::byte{1}) << "slot 0 was reset";
  state.read(std::size_t{5} * 64 * 4, first);
  EXPECT_EQ(first[0], std::byte{0}) << "slot 5 was not";
}

}  // namespace
}  // namespace ssugraph::test
