#include "tests/support/execution.hpp"

#include <ssugraph/ssugraph.hpp>

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <vector>

/** Eager calls inside a caller's own stream capture. */
namespace ssugraph::test {
namespace {

class capturing : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
    case_spec spec;
    spec.state_dtype = dtype::bfloat16;
    spec.stochastic_rounding = true;
    random_engine engine{base_seed()};
    test_ = make_case(spec, engine);
  }

  ssu_case test_;
};

TEST_F(capturing, a_call_that_binds_its_seed_is_captured) {
  const placed_memory memory{place::device, test_.memory};
  const placed_stream stream{place::device};
  ssu_dispatch dispatch{{.backend = "native", .stochastic_rounding = true}};
  const ssu_args args = test_.args_at(memory.data());
  ASSERT_EQ(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal), cudaSuccess);
  dispatch.selective_state_update(args, stream.get());
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(stream.get(), &graph), cudaSuccess);
  EXPECT_EQ(memory.read_all(), test_.memory) << "capturing ran something";
  cudaGraphExec_t executable = nullptr;
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
  ASSERT_EQ(cudaGraphLaunch(executable, stream.get()), cudaSuccess);
  stream.wait();
  EXPECT_EQ(memory.read_all(), run_on_copy(test_, native_eager()));
  EXPECT_EQ(cudaGraphExecDestroy(executable), cudaSuccess);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
}

TEST_F(capturing, reset_slots_is_captured) {
  const placed_memory memory{place::device, test_.memory};
  const placed_stream stream{place::device};
  const ssu_args args = test_.args_at(memory.data());
  // Of the first sequence alone; the indices may have a second column.
  const tensor_view slots{args.state_batch_indices.data(), dtype::int32, {1}};
  const std::vector<tensor_view> states{args.state};
  ASSERT_EQ(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal), cudaSuccess);
  reset_slots(states, slots, stream.get());
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(stream.get(), &graph), cudaSuccess);
  EXPECT_EQ(memory.read_all(), test_.memory) << "capturing ran something";
  cudaGraphExec_t executable = nullptr;
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
  ASSERT_EQ(cudaGraphLaunch(executable, stream.get()), cudaSuccess);
  stream.wait();
  const arena replayed = memory.read_all();
  EXPECT_NE(replayed, test_.memory);
  const placed_memory called{place::device, test_.memory};
  const ssu_args same = test_.args_at(called.data());
  reset_slots(std::vector{same.state}, slots.at(same.state_batch_indices.data()), stream.get());
  stream.wait();
  EXPECT_EQ(replayed, called.read_all());
  EXPECT_EQ(cudaGraphExecDestroy(executable), cudaSuccess);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
}

TEST_F(capturing, a_call_that_would_draw_its_own_seed_is_refused) {
  const placed_memory memory{place::device, test_.memory};
  const placed_stream stream{place::device};
  ssu_dispatch dispatch{{.backend = "native", .stochastic_rounding = true}};
  ssu_args args = test_.args_at(memory.data());
  args.rand_seed = {};
  ASSERT_EQ(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal), cudaSuccess);
  EXPECT_THROW(dispatch.selective_state_update(args, stream.get()), invalid_state);
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(stream.get(), &graph), cudaSuccess) << "the capture was spoilt";
  std::size_t nodes = 1;
  ASSERT_EQ(cudaGraphGetNodes(graph, nullptr, &nodes), cudaSuccess);
  EXPECT_EQ(nodes, 0u);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  EXPECT_EQ(dispatch.random_state().next_draw, 0u);
}

TEST_F(capturing, a_checked_call_is_refused) {
  const placed_memory memory{place::device, test_.memory};
  const placed_stream stream{place::device};
  ssu_dispatch dispatch{{.backend = "native", .stochastic_rounding = true}, 0, {.checked = true}};
  ASSERT_EQ(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal), cudaSuccess);
  EXPECT_THROW(dispatch.selective_state_update(test_.args_at(memory.data()), stream.get()),
               invalid_state);
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(stream.get(), &graph), cudaSuccess) << "the capture was spoilt";
  std::size_t nodes = 1;
  ASSERT_EQ(cudaGraphGetNodes(graph, nullptr, &nodes), cudaSuccess);
  EXPECT_EQ(nodes, 0u);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
}

}  // namespace
}  // namespace ssugraph::test
