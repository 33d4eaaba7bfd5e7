#include "tests/graphs/ring_chain.hpp"

#include "tests/graphs/target_suite.hpp"
#include "tests/support/float_format.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#if SSUGRAPH_CUDA
#include <cuda_runtime_api.h>
#endif

/** Layers with rings, one behind the other on one cursor, step after step. */
namespace ssugraph::test {
namespace {

/** One lane and a copy of all memory of its own. */
class chain_run {
 public:
  chain_run(const ring_chain& chain, target where)
      : where_{where},
        stream_{place_of(where)},
        memory_{place_of(where), chain.first_contents()},
        lane_{chain.build(where, memory_.data()).make_lane(stream_.get())} {
    lane_.set_random_state({7, 0}, stream_.get());
  }
  virtual ~chain_run() = default;

  void step(const arena& inputs, std::int32_t batch) {
    memory_.write(0, {inputs.data(), inputs.size()});
    enqueue(batch);
    stream_.wait();
  }
  [[nodiscard]] placed_memory& memory() { return memory_; }
  [[nodiscard]] lane& of() { return lane_; }
  [[nodiscard]] stream_handle stream() const { return stream_.get(); }
  [[nodiscard]] target where() const { return where_; }

 protected:
  virtual void enqueue(std::int32_t batch) = 0;

 private:
  target where_;
  placed_stream stream_;
  placed_memory memory_;
  lane lane_;
};

class called_chain final : public chain_run {
 public:
  called_chain(const ring_chain& chain, target where, lane_call call)
      : chain_run{chain, where}, call_{call} {}

 private:
  void enqueue(std::int32_t batch) override { run(of(), call_, batch, stream()); }

  lane_call call_;
};

#if SSUGRAPH_CUDA
void check(cudaError_t error) {
  ASSERT_EQ(error, cudaSuccess) << cudaGetErrorString(error);
}

/** By graphs of the caller's, one a bucket: captured, or with the lane's as a child. */
class recorded_chain final : public chain_run {
 public:
  recorded_chain(const ring_chain& chain, bool by_child)
      : chain_run{chain, target::cuda}, live_{place::device, sizeof(std::int32_t)} {
    small_ = recorded(ring_chain::small_bucket, by_child);
    large_ = recorded(ring_chain::most_sequences, by_child);
  }

 private:
  using graph_exec =
      std::unique_ptr<std::remove_pointer_t<cudaGraphExec_t>, decltype(&cudaGraphExecDestroy)>;

  graph_exec recorded(std::int32_t bucket, bool by_child) {
    const auto* const live = reinterpret_cast<const std::int32_t*>(live_.data());
    cudaGraph_t graph = nullptr;
    if (by_child) {
      check(cudaGraphCreate(&graph, 0));
      EXPECT_NE(of().add_child_graph(graph, {}, bucket, live), nullptr);
    } else {
      check(cudaStreamBeginCapture(stream(), cudaStreamCaptureModeGlobal));
      of().record(bucket, live, stream());
      check(cudaStreamEndCapture(stream(), &graph));
    }
    cudaGraphExec_t exec = nullptr;
    check(cudaGraphInstantiate(&exec, graph, 0));
    check(cudaGraphDestroy(graph));
    return {exec, cudaGraphExecDestroy};
  }

  void enqueue(std::int32_t batch) override {
    live_.write(0, std::as_bytes(std::span{&batch, 1}));
    const graph_exec& bucket = batch <= ring_chain::small_bucket ? small_ : large_;
    check(cudaGraphLaunch(bucket.get(), stream()));
  }

  placed_memory live_;
  graph_exec small_{nullptr, cudaGraphExecDestroy};
  graph_exec large_{nullptr, cudaGraphExecDestroy};
};
#endif

/** A layer token by token, in float64, on nothing but what was accepted. */
class recurrence {
 public:
  /** On the states that lie there. */
  explicit recurrence(const ssu_args& args) : states_(ring_chain::slots) {
    for (std::size_t slot = 0; slot < states_.size(); ++slot) {
      const tensor_view of{address_of(args.state, slot, 0, 0, 0),
                           args.state.dtype(),
                           {args.state.extent(1), args.state.extent(2), args.state.extent(3)}};
      for_each_element(of, [&](const std::byte* at) {
        states_[slot].settled.push_back(load(at, args.state.dtype()));
      });
    }
  }

  /** Goes through a step whose rows, `out` among them, are those of `args`. */
  void expect_of(const ssu_args& args, const chain_batch& batch) {
    worst_ = largest_ = 0;
    std::int64_t row = 0;
    for (std::size_t i = 0; i < batch.slots.size(); ++i) {
      const std::int64_t end = row + batch.lengths[i];
      if (batch.slots[i] != 0 && row < end) {
        sequence& of = states_[static_cast<std::size_t>(batch.slots[i])];
        settle(of, batch.accepted[i]);
        for (std::int64_t token = row; token < end; ++token)
          of.behind.push_back(next(of.behind.empty() ? of.settled : of.behind.back(), args, token));
      }
      row = end;
    }
    EXPECT_LE(worst_, 1e-4 * largest_);
  }

 private:
  /** By what has been accepted, and behind each token of the last step. */
  struct sequence {
    std::vector<double> settled;
    std::vector<std::vector<double>> behind;
  };

  static void settle(sequence& of, std::int64_t accepted) {
    if (of.behind.empty()) return;
    const auto pending = static_cast<std::int64_t>(of.behind.size());
    of.settled =
        of.behind[static_cast<std::size_t>(std::clamp<std::int64_t>(accepted, 1, pending) - 1)];
    of.behind.clear();
  }

  /** The state behind one token more. */
  std::vector<double> next(std::vector<double> state, const ssu_args& args, std::int64_t row) {
    const auto of = [](const tensor_view& tensor, auto... index) {
      return load(address_of(tensor, index...), tensor.dtype());
    };
    auto h = state.begin();
    for (std::int64_t head = 0; head < args.state.extent(1); ++head) {
      const double dt = of(args.dt, row, head, 0);
      const double decay = std::exp(of(args.A, head, 0, 0) * dt);
      for (std::int64_t d = 0; d < args.state.extent(2); ++d) {
        double out = 0;
        for (std::int64_t n = 0; n < args.state.extent(3); ++n, ++h) {
          *h = *h * decay + dt * of(args.x, row, head, d) * of(args.B, row, 0, n);
          out += *h * of(args.C, row, 0, n);
        }
        worst_ = std::max(worst_, std::abs(of(args.out, row, head, d) - out));
        largest_ = std::max(largest_, std::abs(out));
      }
    }
    return state;
  }

  std::vector<sequence> states_;
  double worst_ = 0;
  double largest_ = 0;
};

class ring_chains : public target_suite {
 protected:
  static testing::AssertionResult same(const ring_chain& chain, const arena& one,
                                       const arena& other) {
    const std::span left{one.data(), one.size()};
    const auto at = std::ranges::mismatch(left, std::span{other.data(), other.size()}).in1;
    if (at == left.end()) return testing::AssertionSuccess();
    const auto offset = static_cast<std::size_t>(at - left.begin());
    return testing::AssertionFailure()
           << "from " << chain.name_at(offset) << " on, byte " << offset;
  }

  static void expect_the_same_in_all_ways(const chain_spec& spec) {
    random_engine engine{base_seed()};
    const ring_chain chain{spec, engine};
    std::vector<std::unique_ptr<chain_run>> ways;
    for (const lane_call call : {lane_call::replay, lane_call::run_eager})
      ways.push_back(std::make_unique<called_chain>(chain, GetParam(), call));
#if SSUGRAPH_CUDA
    for (const bool by_child : {false, true}) {
      if (on_gpu()) ways.push_back(std::make_unique<recorded_chain>(chain, by_child));
    }
#endif
    for (int step = 0; step < 24; ++step) {
      const chain_batch batch = random_chain_batch(spec.max_seqlen, spec.max_seqlen, engine);
      const arena inputs = chain.inputs(batch, engine);
      for (const auto& way : ways)
        way->step(inputs, batch.size());
      arena first = ways.front()->memory().read_all();
      for (std::size_t way = 1; way < ways.size(); ++way)
        ASSERT_TRUE(same(chain, first, ways[way]->memory().read_all()))
            << "step " << step << ", way " << way;
      expect_numbers(chain, first);
    }
    expect_checkpoints(chain, ways.front()->memory().read_all());
  }

  /** Nothing of what rings and rows behind the live ones held at first. */
  static void expect_numbers(const ring_chain& chain, arena& memory) {
    for (std::size_t layer = 0; layer < ring_chain::layers; ++layer) {
      const tensor_view out = chain.args(layer, memory.data()).out;
      for_each_element(
          out, [&](const std::byte* at) { EXPECT_TRUE(std::isfinite(load(at, out.dtype()))); });
    }
  }

  /** Of most slots, and never of the null one. */
  static void expect_checkpoints(const ring_chain& chain, arena memory) {
    const tensor_view cursor = chain.args(0, memory.data()).ring_cursor;
    std::int64_t checkpoints = 0;
    for (std::int64_t slot = 0; slot < ring_chain::slots; ++slot) {
      const std::int64_t position = load_index(address_of(cursor, slot, 3), cursor.dtype());
      if (position > 0) ++checkpoints;
      EXPECT_TRUE(slot > 0 || position == 0);
    }
    EXPECT_GT(checkpoints, ring_chain::slots / 2);
  }
};

TEST_P(ring_chains, give_the_same_bytes_in_all_ways) {
  for (const dtype state : {dtype::float32, dtype::bfloat16, dtype::int8}) {
    for (const std::int64_t tokens : {std::int64_t{1}, ring_chain::most_tokens}) {
      for (const bool chained : {false, true}) {
        SCOPED_TRACE(std::string{to_string(state)} + ", T " + std::to_string(tokens) +
                     (chained ? ", chained" : ""));
        const dtype io = state == dtype::float32 ? dtype::float32 : dtype::bfloat16;
        expect_the_same_in_all_ways({.state = state,
                                     .io = io,
                                     .max_seqlen = tokens,
                                     .has_accepted = tokens > 1,
                                     .chained = chained});
        if (HasFailure()) return;
      }
    }
  }
}

TEST_P(ring_chains, of_steps_of_one_token_and_of_drafts_go_on_one_behind_the_other) {
  for (const bool chained : {false, true}) {
    SCOPED_TRACE(chained ? "chained" : "apart");
    random_engine engine{base_seed()};
    const ring_chain chain{
        {.max_seqlen = ring_chain::most_tokens, .has_accepted = true, .chained = chained}, engine};
    called_chain drafting{chain, GetParam(), lane_call::replay};
    placed_memory& memory = drafting.memory();
    lane plain = chain.build_plain(GetParam(), memory.data()).make_lane(drafting.stream());
    arena now = memory.read_all();
    std::vector<recurrence> expected;
    expected.reserve(ring_chain::layers);
    for (std::size_t layer = 0; layer < ring_chain::layers; ++layer)
      expected.emplace_back(chain.args(layer, now.data()));
    for (int step = 0; step < 40; ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      const bool drafts = step % 2 == 0;
      const chain_batch batch =
          random_chain_batch(drafts ? ring_chain::most_tokens : 1, ring_chain::most_tokens, engine);
      const arena inputs = chain.inputs(batch, engine);
      memory.write(0, {inputs.data(), inputs.size()});
      (drafts ? drafting.of() : plain).replay(batch.size(), drafting.stream());
      now = memory.read_all();
      for (std::size_t layer = 0; layer < ring_chain::layers; ++layer)
        expected[layer].expect_of(chain.args(layer, now.data()), batch);
      expect_numbers(chain, now);
    }
    expect_checkpoints(chain, now);
  }
}

SSUGRAPH_ON_BOTH_TARGETS(ring_chains);

}  // namespace
}  // namespace ssugraph::test
