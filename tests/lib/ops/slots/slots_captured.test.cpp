#include "tests/lib/ops/slots/slot_case.hpp"
#include "tests/support/device.hpp"

#include <ssugraph/device.hpp>
#include <ssugraph/slot_states.hpp>

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <array>

/** Slot operations inside a caller's own capture. */
namespace ssugraph::test {
namespace {

constexpr std::array formats{dtype::float32, dtype::bfloat16, dtype::int8, dtype::int16,
                             dtype::float8_e4m3};

class captured_slot_states : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
    random_engine engine{base_seed()};
    test_ = make_slot_case(formats, 2, {4, 0, 9, 3}, engine);
  }

  void load(const placed_memory& memory, stream_handle stream) const {
    load_slots(test_.caches_at(memory.data()), test_.states_at(memory.data()),
               test_.slots_at(memory.data()), moved(test_.positions, memory.data()), stream);
  }
  void attach(const placed_memory& memory, stream_handle stream) const {
    attach_slots(test_.caches_at(memory.data()), test_.slots_at(memory.data()),
                 moved(test_.positions, memory.data()), stream);
  }
  void store(const placed_memory& memory, stream_handle stream) const {
    store_slots(test_.caches_at(memory.data()), test_.slots_at(memory.data()),
                test_.states_at(memory.data()), stream);
  }

  slot_case test_;
};

TEST_F(captured_slot_states, are_a_node_for_each_format_and_dtype_and_one_of_rings) {
  const placed_memory memory{place::device, test_.memory};
  const placed_stream stream{place::device};
  ASSERT_EQ(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal), cudaSuccess);
  load(memory, stream.get());
  store(memory, stream.get());
  attach(memory, stream.get());
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(stream.get(), &graph), cudaSuccess);
  EXPECT_EQ(memory.read_all(), test_.memory) << "capturing ran something";
  std::size_t nodes = 0;
  ASSERT_EQ(cudaGraphGetNodes(graph, nullptr, &nodes), cudaSuccess);
  EXPECT_EQ(nodes, 2 * formats.size() * 3 + 1);
  cudaGraphExec_t executable = nullptr;
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
  const placed_memory called{place::device, test_.memory};
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(cudaGraphLaunch(executable, stream.get()), cudaSuccess);
    load(called, stream.get());
    store(called, stream.get());
    attach(called, stream.get());
    stream.wait();
    EXPECT_EQ(memory.read_all(), called.read_all());
    EXPECT_NE(memory.read_all(), test_.memory);
  }
  EXPECT_EQ(cudaGraphExecDestroy(executable), cudaSuccess);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
}

}  // namespace
}  // namespace ssugraph::test
