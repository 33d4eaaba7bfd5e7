#include "tests/graphs/target_suite.hpp"
#include "tests/support/float_format.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

/** The ring that hands index and count tensors to the device. */
namespace ssugraph::test {
namespace {

using values = std::vector<std::int64_t>;

device device_of_target(target where) {
  return where == target::host ? device::host() : device{0};
}

class staging : public target_suite {
 protected:
  [[nodiscard]] static device home() { return device_of_target(GetParam()); }

  [[nodiscard]] static tensor_view on(const placed_memory& memory, dtype type,
                                      std::initializer_list<std::int64_t> extents) {
    return {memory.data(), type, extents};
  }

  /** Every element of a dense tensor that starts `memory`. */
  [[nodiscard]] static values read(const placed_memory& memory, const tensor_view& tensor) {
    const arena content = memory.read_all();
    values found;
    for (std::int64_t i = 0; i < tensor.size(); ++i) {
      found.push_back(load_index(content.data() + i * size_of(tensor.dtype()), tensor.dtype()));
    }
    return found;
  }
};

TEST_P(staging, copies_the_first_rows_and_no_more) {
  const placed_stream stream{where()};
  const placed_memory counts_memory{where(), 4 * 5};
  const placed_memory slots_memory{where(), 8 * 6};
  const tensor_view counts = on(counts_memory, dtype::int32, {5});
  const tensor_view slots = on(slots_memory, dtype::int64, {3, 2});
  staging_ring ring{64, 2, home()};
  ring.begin();
  const std::span<std::int32_t> staged_counts = ring.take<std::int32_t>(counts, 3);
  const std::span<std::int64_t> staged_slots = ring.take<std::int64_t>(slots, 2);
  ASSERT_EQ(staged_counts.size(), 3u);
  ASSERT_EQ(staged_slots.size(), 4u);
  EXPECT_EQ(ring.take<std::int32_t>(counts, 0).size(), 0u);
  std::ranges::copy(values{7, -8, 9}, staged_counts.begin());
  std::ranges::copy(values{1, std::int64_t{1} << 40, -3, 4}, staged_slots.begin());
  ring.submit(stream.get());
  stream.wait();
  EXPECT_EQ(read(counts_memory, counts), (values{7, -8, 9, 0, 0}));
  EXPECT_EQ(read(slots_memory, slots), (values{1, std::int64_t{1} << 40, -3, 4, 0, 0}));
}

TEST_P(staging, uses_memory_again_after_depth_batches) {
  constexpr std::size_t depth = 3;
  const placed_stream stream{where()};
  const placed_memory memory{where(), 4 * 4};
  const tensor_view slots = on(memory, dtype::int32, {4});
  staging_ring ring{16, depth, home()};
  std::vector<std::int32_t*> places;
  for (std::int32_t batch = 0; batch < 2 * static_cast<std::int32_t>(depth); ++batch) {
    ring.begin();
    const std::span<std::int32_t> staged = ring.take<std::int32_t>(slots, 4);
    std::ranges::fill(staged, batch);
    places.push_back(staged.data());
    ring.submit(stream.get());
    stream.wait();
    EXPECT_EQ(read(memory, slots), values(4, batch));
  }
  EXPECT_TRUE(std::equal(places.begin(), places.begin() + depth, places.begin() + depth));
  std::ranges::sort(places);
  places.erase(std::unique(places.begin(), places.end()), places.end());
  EXPECT_EQ(places.size(), depth);
}

TEST_P(staging, drops_a_batch_that_was_not_submitted) {
  const placed_stream stream{where()};
  const placed_memory dropped{where(), 4};
  const placed_memory kept{where(), 4};
  staging_ring ring{4, 2, home()};
  ring.begin();
  ring.take<std::int32_t>(on(dropped, dtype::int32, {1}), 1)[0] = 5;
  ring.begin();
  ring.take<std::int32_t>(on(kept, dtype::int32, {1}), 1)[0] = 6;
  ring.submit(stream.get());
  stream.wait();
  EXPECT_EQ(read(dropped, on(dropped, dtype::int32, {1})), (values{0}));
  EXPECT_EQ(read(kept, on(kept, dtype::int32, {1})), (values{6}));
}

TEST_P(staging, names_the_argument_that_is_wrong) {
  const placed_memory memory{where(), 256};
  staging_ring ring{20, 1, home()};
  ring.begin();
  const auto wrong = [&](const tensor_view& destination, std::int64_t rows) {
    try {
      (void)ring.take<std::int32_t>(destination, rows);
    } catch (const invalid_argument& error) {
      return error.argument();
    }
    return std::string{"no error"};
  };
  const std::byte* data = memory.data();
  EXPECT_EQ(wrong({}, 1), "destination");
  EXPECT_EQ(wrong({data, dtype::int64, {4}}, 1), "destination");
  EXPECT_EQ(wrong({data, dtype::float32, {4}}, 1), "destination");
  EXPECT_EQ(wrong({data, dtype::int32, {4}, {2}}, 1), "destination");
  EXPECT_EQ(wrong({data, dtype::int32, {4, 2}, {4, 1}}, 1), "destination");
  const std::int64_t far = std::int64_t{1} << 62;
  EXPECT_EQ(wrong(tensor_view{data, dtype::int32, {1, 2}}.with_extent(0, far), 1), "destination");
  EXPECT_EQ(wrong(tensor_view{data, dtype::int32, {4}}.with_extent(0, -1), 0), "destination");
  EXPECT_EQ(wrong({reinterpret_cast<void*>(~std::uintptr_t{7}), dtype::int32, {4}}, 1),
            "destination");
  EXPECT_EQ(wrong({nullptr, dtype::int32, {4}}, 1), "destination");
  EXPECT_EQ(wrong({data, dtype::int32, {4}}, -1), "rows");
  EXPECT_EQ(wrong({data, dtype::int32, {4}}, 5), "rows");
  EXPECT_EQ(wrong({data, dtype::int32, {6}}, 6), "rows") << "24 bytes of 20";
  EXPECT_EQ(wrong({data, dtype::int32, {3, 2}}, 3), "rows");
  EXPECT_EQ(wrong({data, dtype::int32, {1, 2}, {far, 1}}, 1), "no error") << "one row is dense";
  // 8 bytes are gone; refused ones took none.
  EXPECT_EQ(wrong({data, dtype::int32, {4}}, 4), "rows");
  EXPECT_EQ(wrong({data, dtype::int32, {4}}, 1), "no error");
  const tensor_view wide{data, dtype::int64, {4}};
  EXPECT_THROW((void)ring.take<std::int64_t>(wide, 1), invalid_argument) << "12 aligns to 16";
  EXPECT_EQ(wrong({data, dtype::int32, {4}}, 2), "no error") << "exactly full";
  EXPECT_THROW((void)ring.take<std::int64_t>(wide, 1), invalid_argument);
  EXPECT_THROW((staging_ring{0, 1, home()}), invalid_argument);
  EXPECT_THROW((staging_ring{1, 0, home()}), invalid_argument);
}

TEST_P(staging, wants_begin_take_submit_in_order) {
  const placed_stream stream{where()};
  const placed_memory memory{where(), 4};
  const tensor_view slots = on(memory, dtype::int32, {1});
  staging_ring ring{4, 2, home()};
  EXPECT_THROW((void)ring.take<std::int32_t>(slots, 1), invalid_state);
  EXPECT_THROW(ring.submit(stream.get()), invalid_state);
  ring.begin();
  ring.submit(stream.get());  // nothing to copy is no mistake
  EXPECT_THROW((void)ring.take<std::int32_t>(slots, 1), invalid_state);
  EXPECT_THROW(ring.submit(stream.get()), invalid_state);
  ring.begin();
  staging_ring moved = std::move(ring);
  EXPECT_THROW(ring.begin(), invalid_state);  // NOLINT: moved from
  EXPECT_THROW((void)ring.take<std::int32_t>(slots, 1), invalid_state);
  EXPECT_THROW(ring.submit(stream.get()), invalid_state);
  moved.take<std::int32_t>(slots, 1)[0] = 3;
  ring = std::move(moved);
  ring.submit(stream.get());
  stream.wait();
  EXPECT_EQ(read(memory, slots), (values{3}));
}

SSUGRAPH_ON_BOTH_TARGETS(staging);

TEST(staging_place, is_where_the_destination_is) {
  staging_ring host{16, 1, device::host()};
  host.begin();
  if (!has_cuda_device()) {
    EXPECT_THROW((staging_ring{16, 1, device{0}}), unsupported);
    GTEST_SKIP() << "no CUDA device for the rest";
  }
  staging_ring cuda{16, 1, device{0}};
  cuda.begin();
  const placed_memory on_host{place::host, 16};
  const placed_memory on_device{place::device, 16};
  EXPECT_THROW((void)host.take<std::int32_t>({on_device.data(), dtype::int32, {1}}, 1),
               invalid_argument);
  EXPECT_THROW((void)cuda.take<std::int32_t>({on_host.data(), dtype::int32, {1}}, 1),
               invalid_argument);
}

/** A step's batch and what its index and count tensors hold. */
struct step_input {
  std::int32_t batch = 0;
  std::vector<std::pair<tensor_view ssu_args::*, values>> tensors;  ///< with their live elements
};

/** Random batches of the first layer's sequences, each with its own slots. The same ones for one
 * seed. */
class step_inputs {
 public:
  explicit step_inputs(const std::vector<ssu_case>& layers) : test_{layers.front()} {
    for (const ssu_case& layer : layers)
      rows_ = std::min(rows_, layer.live_rows);
    arena memory = test_.memory;
    const tensor_view indices = test_.args_at(memory.data()).state_batch_indices;
    for (std::int64_t i = 0; i < indices.extent(0); ++i) {
      values& slots = slots_.emplace_back();
      for (std::int64_t column = 0; column < indices.size() / indices.extent(0); ++column) {
        const std::byte* address = indices.rank() == 1 ? address_of(indices, i)  //
                                                       : address_of(indices, i, column);
        slots.push_back(load_index(address, indices.dtype()));
      }
    }
  }

  step_input next() {
    step_input input{static_cast<std::int32_t>(pick(engine_, 1, test_.batch)), {}};
    std::ranges::shuffle(slots_, engine_);
    values slots;
    values accepted;
    values cu_seqlens{0};
    for (std::int32_t i = 0; i < input.batch; ++i) {
      const values& own = slots_[static_cast<std::size_t>(i)];
      slots.insert(slots.end(), own.begin(), own.end());
      accepted.push_back(pick(engine_, 0, test_.max_seqlen));
      const std::int64_t end = cu_seqlens.back() + pick(engine_, 0, test_.max_seqlen);
      cu_seqlens.push_back(std::min(end, rows_));
    }
    input.tensors.emplace_back(&ssu_args::state_batch_indices, slots);
    if (test_.layout.num_accepted_tokens) {
      input.tensors.emplace_back(&ssu_args::num_accepted_tokens, accepted);
    }
    if (test_.layout.cu_seqlens) input.tensors.emplace_back(&ssu_args::cu_seqlens, cu_seqlens);
    return input;
  }

 private:
  const ssu_case& test_;
  std::int64_t rows_ = test_.live_rows;  ///< that hold data in every layer
  std::vector<values> slots_;
  random_engine engine_{base_seed()};
};

template <class Index>
void stage_as(staging_ring& ring, const tensor_view& destination, const values& content) {
  const auto row = static_cast<std::size_t>(destination.size() / destination.extent(0));
  const std::span<Index> staged =
      ring.take<Index>(destination, static_cast<std::int64_t>(content.size() / row));
  ASSERT_EQ(staged.size(), content.size());
  std::ranges::transform(content, staged.begin(),
                         [](std::int64_t value) { return static_cast<Index>(value); });
}

/** Writes the first elements of a dense tensor of `layers`, waiting for the device. */
void write_now(model& layers, const tensor_view& tensor, const values& content) {
  std::vector<std::byte> bytes(content.size() * static_cast<std::size_t>(size_of(tensor.dtype())));
  for (std::size_t i = 0; i < content.size(); ++i) {
    store_index(bytes.data() + i * static_cast<std::size_t>(size_of(tensor.dtype())),
                tensor.dtype(), content[i]);
  }
  const auto* data = static_cast<const std::byte*>(tensor.data());
  layers.memory(0).write(static_cast<std::size_t>(data - layers.memory(0).data()), bytes);
}

/** A small model and `out` of its last layer after each of its steps. */
class logged_model {
 public:
  logged_model(target where, const std::vector<ssu_case>& cases, int steps)
      : where_{where},
        layers_{where, cases, true},
        out_bytes_{static_cast<std::size_t>(last_out().size() * size_of(last_out().dtype()))},
        log_{place_of(where), static_cast<std::size_t>(steps) * out_bytes_} {}

  [[nodiscard]] model& layers() { return layers_; }
  [[nodiscard]] arena log() const { return log_.read_all(); }

  void keep_out(int step, stream_handle stream) {
    enqueue_copy(place_of(where_), log_.data() + static_cast<std::size_t>(step) * out_bytes_,
                 last_out().data(), out_bytes_, stream);
  }

 private:
  [[nodiscard]] const tensor_view& last_out() const { return layers_.args(layers_.size() - 1).out; }

  target where_;
  model layers_;
  std::size_t out_bytes_;
  placed_memory log_;
};

/** Closes the gaps that a case leaves between the rows of its slot table. */
void make_dense(ssu_case& test) {
  arena& memory = test.memory;
  const tensor_view table = test.args_at(memory.data()).state_batch_indices;
  if (table.rank() == 1) return;
  tensor_view& layout = test.layout.state_batch_indices;
  layout = {layout.data(), layout.dtype(), layout.extents()};
  const tensor_view dense = test.args_at(memory.data()).state_batch_indices;
  for (std::int64_t i = 0; i < table.extent(0); ++i) {
    for (std::int64_t column = 0; column < table.extent(1); ++column) {
      const std::int64_t slot = load_index(address_of(table, i, column), table.dtype());
      store_index(address_of(dense, i, column), dense.dtype(), slot);
    }
  }
}

std::vector<ssu_case> served_layers(ssu_mode mode) {
  case_spec spec;
  spec.mode = mode;
  spec.batch = 16;
  spec.capacity = 16;
  spec.nheads = 2;
  spec.state_dtype = dtype::bfloat16;
  spec.stochastic_rounding = true;
  if (mode != ssu_mode::plain) {
    spec.max_seqlen = 3;
    spec.has_cu_seqlens = true;
    spec.index_dtype = dtype::int64;
  }
  std::vector<ssu_case> layers = make_layers(spec, 2);
  make_dense(layers.front());  // whose tables serve all
  return layers;
}

class staged_replays : public target_suite {
 protected:
  static constexpr int steps = 1000;

  /** Without a wait but that of a ring of `depth`. */
  static void replay_all(logged_model& served, const std::vector<ssu_case>& cases,
                         std::size_t depth, stream_handle stream) {
    model& layers = served.layers();
    lane lane = layers.build(bucket_policy{{1, 4, 8, 16}}).make_lane(stream);
    staging_ring ring{1024, depth, device_of_target(GetParam())};
    step_inputs inputs{cases};
    for (int step = 0; step < steps; ++step) {
      const step_input input = inputs.next();
      ring.begin();
      for (const auto& [member, content] : input.tensors) {
        const tensor_view& destination = layers.args(0).*member;
        if (destination.dtype() == dtype::int32) {
          ASSERT_NO_FATAL_FAILURE(stage_as<std::int32_t>(ring, destination, content));
        } else {
          ASSERT_NO_FATAL_FAILURE(stage_as<std::int64_t>(ring, destination, content));
        }
      }
      ring.submit(stream);
      lane.replay(input.batch, stream);
      served.keep_out(step, stream);
    }
  }

  /** Eagerly, a step at a time. */
  static void step_all(logged_model& stepped, const std::vector<ssu_case>& cases,
                       const placed_stream& stream) {
    model& layers = stepped.layers();
    lane lane = layers.build(bucket_policy{{1, 4, 8, 16}}).make_lane(stream.get());
    step_inputs inputs{cases};
    for (int step = 0; step < steps; ++step) {
      const step_input input = inputs.next();
      for (const auto& [member, content] : input.tensors) {
        write_now(layers, layers.args(0).*member, content);
      }
      lane.run_eager(input.batch, stream.get());
      stepped.keep_out(step, stream.get());
      stream.wait();
    }
  }
};

TEST_P(staged_replays, equal_steps_with_a_wait_between_them) {
  for (const ssu_mode mode : {ssu_mode::plain, ssu_mode::varlen, ssu_mode::speculative}) {
    SCOPED_TRACE(to_string(mode));
    const placed_stream stream{where()};
    const std::vector<ssu_case> cases = served_layers(mode);
    logged_model stepped{GetParam(), cases, steps};
    const std::vector<arena> before = stepped.layers().read();
    step_all(stepped, cases, stream);
    EXPECT_NE(stepped.layers().read(), before);
    for (const std::size_t depth : {16, steps}) {  // the deeper one never waits
      SCOPED_TRACE(depth);
      logged_model served{GetParam(), cases, steps};
      ASSERT_NO_FATAL_FAILURE(replay_all(served, cases, depth, stream.get()));
      stream.wait();
      EXPECT_EQ(served.log(), stepped.log());
      EXPECT_EQ(served.layers().read(), stepped.layers().read());
    }
  }
}

SSUGRAPH_ON_BOTH_TARGETS(staged_replays);

}  // namespace
}  // namespace ssugraph::test
