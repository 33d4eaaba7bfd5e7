#include "tests/graphs/disguised_backend.hpp"
#include "tests/graphs/replay.hpp"
#include "tests/support/ssu_suite.hpp"

#include <ssugraph/ssugraph.hpp>

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

/** A user's backend in a pipeline: what its enqueue puts on the stream is captured. */
namespace ssugraph::test {
namespace {

/** Enqueues what a test asks for, and only offers itself to it. */
class unruly_backend : public disguised_backend {
 public:
  static inline std::function<void(stream_handle)> enqueues;

  std::string name() const override { return "unruly"; }
  support supports(const ssu_problem& problem) const override {
    if (!enqueues) return {"it is not offered"};
    return disguised_backend::supports(problem);
  }
  ssu_plan plan(const ssu_problem& problem, std::int64_t sequences,
                const std::string& algorithm) const override {
    ssu_plan plan = disguised_backend::plan(problem, sequences, algorithm);
    plan.backend = name();
    return plan;
  }
  void enqueue(const ssu_plan&, const ssu_args&, std::int64_t,
               stream_handle stream) const override {
    enqueues(stream);
  }
};

const std::string& unruly() {
  static const std::string name = [] {
    register_mamba_ssu_backend(std::make_shared<unruly_backend>());
    return std::string{"unruly"};
  }();
  return name;
}

INSTANTIATE_TEST_SUITE_P(captured, ssu_suite,
                         testing::Values(recorded(target::cuda, lane_call::replay, disguised())),
                         execution_name);

TEST(captured_backend, equals_the_kernel_node_bit_for_bit) {
  if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  case_spec spec;
  spec.state_dtype = dtype::bfloat16;
  spec.stochastic_rounding = true;
  const auto cases = make_layers(spec, 4);
  const auto run = [&](const std::string& backend) {
    auto named = cases;
    for (ssu_case& test : named)
      test.config.backend = backend;
    model layers{target::cuda, named, true};
    const placed_stream stream{place::device};
    lane lane = layers.build(bucket_policy{{2, 3}}).make_lane(stream.get());
    for (const std::int32_t batch : {1, 3, 2})
      lane.replay(batch, stream.get());
    stream.wait();
    return layers.read();
  };
  EXPECT_EQ(run(disguised()), run("native"));
}

/** A backend that does `what` fails to make a lane, by an Error that `expect` looks at; then all is
 *  as before. */
template <class Error>
void expect_no_lane(std::function<void(stream_handle)> what,
                    const std::function<void(const Error&)>& expect) {
  auto cases = make_layers({}, 2);
  for (ssu_case& test : cases)
    test.config.backend = unruly();
  model layers{target::cuda, cases, false};
  const auto before = layers.read();
  const placed_stream stream{place::device};
  unruly_backend::enqueues = std::move(what);
  try {
    static_cast<void>(layers.build(bucket_policy{{3}}).make_lane(stream.get()));
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    expect(error);
  }
  unruly_backend::enqueues = nullptr;
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  EXPECT_EQ(layers.read(), before);

  for (ssu_case& test : cases)
    test.config.backend = disguised();
  lane lane = model{target::cuda, cases, false}.build(bucket_policy{{3}}).make_lane(stream.get());
  stream.wait();
}

TEST(captured_backend, that_throws_leaves_everything_usable) {
  if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  const placed_memory memory{place::device, 256};
  expect_no_lane<unsupported>(
      [&](stream_handle stream) {
        enqueue_copy(place::device, memory.data(), memory.data() + 128, 64, stream);
        throw unsupported{{{"unruly", "changed its mind"}}};
      },
      [](const unsupported&) {});
}

TEST(captured_backend, that_adds_what_a_graph_cannot_keep_is_refused_by_step_and_bucket) {
  if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  const auto expect_refused = [](const std::function<void(stream_handle)>& what,
                                 const std::string& word) {
    expect_no_lane<invalid_argument>(what, [&](const invalid_argument& error) {
      EXPECT_EQ(error.argument(), "step 'layer0' in bucket 3");
      EXPECT_NE(error.came().find(word), std::string::npos) << error.came();
    });
  };
  expect_refused([](stream_handle) {}, "nothing");
  expect_refused(
      [](stream_handle stream) {
        void* memory = nullptr;
        if (cudaMallocAsync(&memory, 256, stream) == cudaSuccess) cudaFreeAsync(memory, stream);
      },
      "allocation");
}

TEST(captured_backend, that_ends_the_capture_of_a_measurement_is_refused_by_name) {
  if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  auto cases = make_layers({}, 1);
  static_cast<void>(unruly());
  cases.front().config.backend = "automatic";
  const model layers{target::cuda, cases, false};
  unruly_backend::enqueues = [](stream_handle stream) {
    cudaGraph_t graph = nullptr;
    if (cudaStreamEndCapture(stream, &graph) == cudaSuccess) cudaGraphDestroy(graph);
  };
  try {
    static_cast<void>(layers.build(bucket_policy{{3}}));
    ADD_FAILURE() << "no error";
  } catch (const invalid_state& error) {
    EXPECT_NE(error.object().find("unruly:"), std::string::npos) << error.object();
  }
  unruly_backend::enqueues = nullptr;
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  static_cast<void>(layers.build(bucket_policy{{3}}));
}

}  // namespace
}  // namespace ssugraph::test
