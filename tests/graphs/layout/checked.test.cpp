#include "tests/graphs/target_suite.hpp"
#include "tests/support/float_format.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>
#if SSUGRAPH_CUDA
#include "lib/core/driver.hpp"

#include <cuda_runtime_api.h>
#endif

/** Callers who break their promises about slots and lengths hear of it in checked mode. */
namespace ssugraph::test {
namespace {

constexpr std::int32_t most_sequences = 6;
constexpr std::int64_t max_seqlen = 3;
constexpr std::size_t layer_count = 2;
const bucket_policy both_buckets{{3, most_sequences}};

case_spec spec_of(ssu_mode mode, bool has_dst, dtype index_dtype = dtype::int32) {
  case_spec spec;
  spec.mode = mode;
  spec.has_dst = has_dst;
  spec.has_cu_seqlens = mode != ssu_mode::plain;
  spec.max_seqlen = mode == ssu_mode::plain ? 1 : max_seqlen;
  spec.batch = most_sequences;
  spec.capacity = most_sequences;
  spec.nheads = 2;
  spec.index_dtype = index_dtype;
  spec.count_dtype = index_dtype;
  return spec;
}

/** The contents of index and count tensors. */
struct promises {
  std::vector<std::vector<std::int64_t>> indices;
  std::vector<std::vector<std::int64_t>> dst;
  std::vector<std::int64_t> accepted;
  std::vector<std::int64_t> cu;

  bool operator==(const promises&) const = default;
};

/** Layers whose index and count tensors are written at will. */
class promising_layers {
 public:
  promising_layers(target where, const case_spec& spec)
      : spec_{spec}, layers_{where, make_layers(spec, layer_count), false} {}

  [[nodiscard]] model& layers() { return layers_; }
  [[nodiscard]] std::int64_t slots() const { return layers_.args(0).state.extent(0); }
  [[nodiscard]] std::int64_t columns() const {
    return spec_.mode == ssu_mode::speculative ? max_seqlen : 1;
  }

  [[nodiscard]] pipeline build(std::optional<bool> checked) const {
    pipeline_builder builder = layers_.builder(both_buckets);
    return builder.recording({.checked = checked}).build();
  }

  /** Full lengths, slots in order. */
  [[nodiscard]] promises kept() const {
    promises all;
    std::int64_t next = 1;
    for (auto* table : {&all.indices, &all.dst}) {
      for (std::int32_t i = 0; i < most_sequences; ++i) {
        std::vector<std::int64_t>& row = table->emplace_back(columns());
        std::iota(row.begin(), row.end(), next);
        next += columns();
      }
    }
    for (std::int64_t i = 0; i <= most_sequences; ++i) {
      all.accepted.push_back(1);
      all.cu.push_back(i * spec_.max_seqlen);
    }
    return all;
  }

  void write(const promises& all) {
    write_table(&ssu_args::state_batch_indices, all.indices);
    write_table(&ssu_args::dst_state_batch_indices, all.dst);
    for (std::int64_t i = 0; i <= most_sequences; ++i) {
      const auto at = static_cast<std::size_t>(i);
      if (i < most_sequences) write_one(&ssu_args::num_accepted_tokens, i, 0, all.accepted[at]);
      write_one(&ssu_args::cu_seqlens, i, 0, all.cu[at]);
    }
  }

 private:
  void write_table(tensor_view ssu_args::*member,
                   const std::vector<std::vector<std::int64_t>>& rows) {
    for (std::int64_t i = 0; i < most_sequences; ++i) {
      for (std::int64_t column = 0; column < columns(); ++column) {
        const auto row = static_cast<std::size_t>(i);
        write_one(member, i, column, rows[row][static_cast<std::size_t>(column)]);
      }
    }
  }

  void write_one(tensor_view ssu_args::*member, std::int64_t i, std::int64_t column,
                 std::int64_t value) {
    const tensor_view& tensor = layers_.args(0).*member;
    if (!tensor) return;
    std::array<std::byte, 8> bytes{};
    store_index(bytes.data(), tensor.dtype(), value);
    const std::byte* address =
        tensor.rank() == 1 ? address_of(tensor, i) : address_of(tensor, i, column);
    layers_.memory(0).write(
        static_cast<std::size_t>(address - layers_.memory(0).data()),
        std::span{bytes}.first(static_cast<std::size_t>(size_of(tensor.dtype()))));
  }

  case_spec spec_;
  model layers_;
};

/** The argument that a call refuses; empty: none. */
std::string refused(const std::function<void()>& call) {
  try {
    call();
  } catch (const invalid_argument& error) {
    EXPECT_FALSE(error.expected().empty());
    EXPECT_FALSE(error.came().empty());
    return error.argument();
  }
  return {};
}

/** One way to break a promise, and the tensor that is to blame. */
struct breach {
  const char* argument;
  std::function<void(promises&, std::int64_t slots)> commit;
};

class checked_mode : public target_suite {
 protected:
  void SetUp() override {
    target_suite::SetUp();
    if (!IsSkipped()) stream_.emplace(where());
  }

  /** Each breach is reported by name at the next call, once, and no more. */
  void expect_reported(const case_spec& spec, const std::vector<breach>& breaches) {
    promising_layers promising{GetParam(), spec};
    lane lane = promising.build(true).make_lane(stream_->get());
    for (const breach& breach : breaches) {
      SCOPED_TRACE(breach.argument + (" with " + to_string(spec)));
      promises broken = promising.kept();
      breach.commit(broken, promising.slots());
      promising.write(broken);
      lane.replay(4, stream_->get());
      promising.write(promising.kept());
      EXPECT_EQ(refused([&] { lane.replay(4, stream_->get()); }),
                std::string{"layer0."} + breach.argument);
      lane.replay(4, stream_->get());
      EXPECT_EQ(refused([&] { (void)lane.random_state(); }), "");
    }
  }

  std::optional<placed_stream> stream_;
};

TEST_P(checked_mode, names_a_slot_that_breaks_a_promise) {
  const std::vector<breach> in_place{
      {"state_batch_indices[2]", [](promises& p, auto) { p.indices[2] = p.indices[0]; }},
      {"state_batch_indices[3]", [](promises& p, auto slots) { p.indices[3][0] = slots; }},
      {"state_batch_indices[1]", [](promises& p, auto) { p.indices[1][0] = -2; }},
      {"state_batch_indices[0]", [](promises& p, auto) { p.indices[0][0] = p.indices[3][0] = -2; }},
  };
  const std::vector<breach> elsewhere{
      {"dst_state_batch_indices[3]", [](promises& p, auto) { p.dst[3] = p.dst[1]; }},
      {"dst_state_batch_indices[2]", [](promises& p, auto) { p.dst[2] = p.indices[0]; }},
      {"state_batch_indices[2]", [](promises& p, auto) { p.dst[0] = p.indices[2]; }},
      {"dst_state_batch_indices[1]", [](promises& p, auto slots) { p.dst[1][0] = slots; }},
  };
  for (const ssu_mode mode : {ssu_mode::plain, ssu_mode::varlen, ssu_mode::speculative}) {
    expect_reported(spec_of(mode, false, dtype::int64), in_place);
    expect_reported(spec_of(mode, true), elsewhere);
  }
}

TEST_P(checked_mode, names_a_sequence_whose_length_breaks_a_promise) {
  const std::vector<breach> breaches{
      {"cu_seqlens[0]", [](promises& p, auto) { p.cu = {-1, 1, 3, 4, 6, 8, 9}; }},
      {"cu_seqlens[1]", [](promises& p, auto) { p.cu = {0, 2, 1, 3, 4, 6, 8}; }},
      {"cu_seqlens[2]", [](promises& p, auto) { p.cu = {0, 2, 3, 7, 8, 9, 10}; }},
  };
  expect_reported(spec_of(ssu_mode::varlen, false), breaches);
  expect_reported(spec_of(ssu_mode::speculative, true, dtype::int64), breaches);
}

TEST_P(checked_mode, names_what_breaks_a_promise_of_speculative_steps) {
  const auto accepted = [](std::int64_t count) {
    return [=](promises& p, auto) { p.accepted[1] = count; };
  };
  expect_reported(
      spec_of(ssu_mode::speculative, true),
      {{"num_accepted_tokens[1]", accepted(-1)},
       {"num_accepted_tokens[1]", accepted(max_seqlen + 1)},
       {"dst_state_batch_indices[1]", [](promises& p, auto) { p.dst[1][2] = p.dst[1][0]; }},
       {"dst_state_batch_indices[3]", [](promises& p, auto) { p.dst[3][1] = p.dst[2][2]; }},
       {"state_batch_indices[2]",
        [](promises& p, auto) {
          p.accepted[2] = 3;
          p.dst[1][1] = p.indices[2][2];
        }},
       {"state_batch_indices[2]", [](promises& p, auto slots) {
          p.accepted[2] = 2;
          p.indices[2][1] = slots;
        }}});
  expect_reported(
      spec_of(ssu_mode::speculative, false),
      {{"state_batch_indices[2]", [](promises& p, auto) { p.indices[2][1] = p.indices[0][1]; }}});
}

TEST_P(checked_mode, reports_at_whichever_call_comes_next) {
  promising_layers promising{GetParam(), spec_of(ssu_mode::plain, false)};
  lane lane = promising.build(true).make_lane(stream_->get());
  const auto replay = [&] { lane.replay(5, stream_->get()); };
  const auto run_eager = [&] { lane.run_eager(5, stream_->get()); };
  const auto random_state = [&] { (void)lane.random_state(); };
  promises broken = promising.kept();
  broken.indices[4] = broken.indices[1];
  for (const std::function<void()>& breaking : {std::function<void()>{replay}, {run_eager}}) {
    for (const std::function<void()>& next :
         {std::function<void()>{replay}, {run_eager}, {random_state}}) {
      promising.write(broken);
      breaking();
      promising.write(promising.kept());
      const auto before = promising.layers().read();
      EXPECT_EQ(refused(next), "layer0.state_batch_indices[4]");
      EXPECT_EQ(promising.layers().read(), before) << "the call that reports does nothing else";
      EXPECT_EQ(refused(next), "");
    }
  }
}

TEST_P(checked_mode, follows_a_rebind) {
  promising_layers first{GetParam(), spec_of(ssu_mode::plain, false)};
  promising_layers second{GetParam(), spec_of(ssu_mode::plain, false)};
  lane lane = first.build(true).make_lane(stream_->get());
  first.write(first.kept());
  promises broken = second.kept();
  broken.indices[1] = broken.indices[0];
  second.write(broken);
  lane.replay(4, stream_->get());
  EXPECT_EQ(refused([&] { (void)lane.random_state(); }), "");
  const binding bound{"layer1", "state_batch_indices",
                      second.layers().args(0).state_batch_indices.data()};
  (void)lane.rebind(std::span{&bound, 1});
  lane.replay(4, stream_->get());
  EXPECT_EQ(refused([&] { (void)lane.random_state(); }), "layer1.state_batch_indices[1]");
}

/** Random valid contents; what is not live holds rubbish. */
promises random_promises(random_engine& engine, const promising_layers& promising, bool has_dst,
                         std::int64_t batch) {
  promises all = promising.kept();
  std::vector<std::int64_t> pool(static_cast<std::size_t>(promising.slots()) - 1);
  std::iota(pool.begin(), pool.end(), 1);
  std::ranges::shuffle(pool, engine);
  const std::int64_t rubbish = pool.back();
  const bool speculative = promising.columns() > 1;
  for (std::size_t i = 0; i < most_sequences; ++i) {
    const bool live = std::cmp_less(i, batch);
    const std::int64_t length = live ? pick(engine, 0, max_seqlen) : -7;
    all.cu[i + 1] = all.cu[i] + length;
    all.accepted[i] = live ? pick(engine, 0, max_seqlen) : 99;
    const bool null = live && chance(engine, 0.2);
    const std::int64_t source = std::max<std::int64_t>(all.accepted[i] - 1, 0);
    for (std::int64_t t = 0; t < promising.columns(); ++t) {
      const bool writes = live && !null && (!speculative || t < length);
      const bool reads = live && (!speculative || t == source);
      const auto take = [&] {
        const std::int64_t slot = pool.back();
        pool.pop_back();
        return slot;
      };
      std::int64_t& index = all.indices[i][static_cast<std::size_t>(t)];
      std::int64_t& dst = all.dst[i][static_cast<std::size_t>(t)];
      index = reads && null ? 0 : reads || (writes && !has_dst) ? take() : rubbish;
      if (writes && has_dst) {
        dst = chance(engine, 0.2) ? 0 : reads && chance(engine, 0.3) ? index : take();
      } else {
        dst = rubbish;
      }
    }
  }
  return all;
}

TEST_P(checked_mode, has_nothing_to_say_of_promises_that_are_kept) {
  random_engine engine{base_seed()};
  for (const ssu_mode mode : {ssu_mode::plain, ssu_mode::varlen, ssu_mode::speculative}) {
    for (const bool has_dst : {false, true}) {
      for (const dtype index_dtype : {dtype::int32, dtype::int64}) {
        const case_spec spec = spec_of(mode, has_dst, index_dtype);
        SCOPED_TRACE(to_string(spec));
        promising_layers promising{GetParam(), spec};
        lane lane = promising.build(true).make_lane(stream_->get());
        for (int i = 0; i < 200; ++i) {
          const std::int64_t batch = pick(engine, 1, most_sequences);
          promising.write(random_promises(engine, promising, has_dst, batch));
          lane.replay(static_cast<std::int32_t>(batch), stream_->get());
          ASSERT_EQ(refused([&] { (void)lane.random_state(); }), "");
        }
      }
    }
  }
}

TEST_P(checked_mode, is_off_where_nobody_asks_and_changes_no_result) {
  promising_layers unchecked{GetParam(), spec_of(ssu_mode::varlen, true)};
  promising_layers checked{GetParam(), spec_of(ssu_mode::varlen, true)};
  promises broken = unchecked.kept();
  broken.dst[1] = {1'000'000};
  unchecked.write(broken);
  checked.write(broken);
  lane fast = unchecked.build(false).make_lane(stream_->get());
  lane slow = checked.build(true).make_lane(stream_->get());
  fast.replay(4, stream_->get());
  slow.replay(4, stream_->get());
  EXPECT_EQ(refused([&] { (void)fast.random_state(); }), "");
  EXPECT_NE(refused([&] { (void)slow.random_state(); }), "");
  EXPECT_EQ(unchecked.layers().read(), checked.layers().read());
  if (!on_gpu()) return;
  for (std::size_t bucket = 0; bucket < both_buckets.buckets().size(); ++bucket) {
    EXPECT_EQ(fast.stats().buckets[bucket].nodes, 1 + layer_count);
    EXPECT_EQ(slow.stats().buckets[bucket].nodes, 2 + layer_count);
  }
}

SSUGRAPH_ON_BOTH_TARGETS(checked_mode);

#if SSUGRAPH_CUDA

class checked_on_a_gpu : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
    stream_.emplace(place::device);
  }

  static void check(cudaError_t error) { ASSERT_EQ(error, cudaSuccess); }

  std::optional<placed_stream> stream_;
};

TEST_F(checked_on_a_gpu, refuses_tensors_outside_of_one_live_allocation) {
  promising_layers promising{target::cuda, spec_of(ssu_mode::plain, false)};
  const ssu_args& args = promising.layers().args(0);
  const std::size_t bytes =
      static_cast<std::size_t>(args.state.extent(0) * args.state.stride(0)) * sizeof(float);
  const placed_memory whole{place::device, bytes};
  const placed_memory part{place::device, bytes / 2};
  const auto bound = [](const std::byte* data) {
    return std::vector{binding{"layer1", "state", data}};
  };
  const pipeline built = promising.build(true);
  lane lane = built.make_lane(stream_->get(), bound(whole.data()));
  EXPECT_EQ(refused([&] { (void)built.make_lane(stream_->get(), bound(part.data())); }),
            "layer1.state");
  EXPECT_EQ(refused([&] { (void)lane.rebind(bound(part.data())); }), "layer1.state");
  EXPECT_EQ(refused([&] { (void)lane.rebind(bound(whole.data() + bytes / 2)); }), "layer1.state");
  promising.write(promising.kept());
  lane.replay(3, stream_->get());
  EXPECT_EQ(refused([&] { (void)lane.random_state(); }), "") << "the lane is as it was";
}

template <class Function, class... Arguments>
void drive(const char* name, Arguments... arguments) {
  ASSERT_EQ(detail::driver_function<Function>(name)(arguments...), CUDA_SUCCESS) << name;
}

CUmemAllocationProp memory_of_device() {
  CUmemAllocationProp memory{};
  memory.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  memory.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  return memory;
}

/** Reserved addresses on device 0 with memory behind some of their pieces. */
class stitched_memory {
 public:
  explicit stitched_memory(std::vector<bool> mapped) : mapped_{std::move(mapped)} {
    const CUmemAllocationProp memory = memory_of_device();
    drive<PFN_cuMemGetAllocationGranularity_v10020>("cuMemGetAllocationGranularity", &piece_bytes_,
                                                    &memory, CU_MEM_ALLOC_GRANULARITY_MINIMUM);
    drive<PFN_cuMemAddressReserve_v10020>("cuMemAddressReserve", &address_,
                                          mapped_.size() * piece_bytes_, 0, 0, 0);
    for (std::size_t piece = 0; piece < mapped_.size(); ++piece) {
      if (mapped_[piece]) map(address_ + piece * piece_bytes_, memory);
    }
  }
  stitched_memory(const stitched_memory&) = delete;
  stitched_memory& operator=(const stitched_memory&) = delete;
  ~stitched_memory() {
    for (std::size_t piece = 0; piece < mapped_.size(); ++piece) {
      if (!mapped_[piece]) continue;
      drive<PFN_cuMemUnmap_v10020>("cuMemUnmap", address_ + piece * piece_bytes_, piece_bytes_);
    }
    drive<PFN_cuMemAddressFree_v10020>("cuMemAddressFree", address_, mapped_.size() * piece_bytes_);
  }

  [[nodiscard]] void* data() const { return reinterpret_cast<void*>(address_); }
  [[nodiscard]] std::size_t piece_bytes() const { return piece_bytes_; }

 private:
  void map(CUdeviceptr address, const CUmemAllocationProp& memory) const {
    CUmemGenericAllocationHandle handle{};
    drive<PFN_cuMemCreate_v10020>("cuMemCreate", &handle, piece_bytes_, &memory, 0);
    drive<PFN_cuMemMap_v10020>("cuMemMap", address, piece_bytes_, 0, handle, 0);
    drive<PFN_cuMemRelease_v10020>("cuMemRelease", handle);  // goes when it is unmapped
    const CUmemAccessDesc access{memory.location, CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    drive<PFN_cuMemSetAccess_v10020>("cuMemSetAccess", address, piece_bytes_, &access, 1);
  }

  std::vector<bool> mapped_;
  std::size_t piece_bytes_ = 0;
  CUdeviceptr address_ = 0;
};

/** A state of `slots` slots, each of which begins `apart` bytes behind the one before it. */
tensor_view slots_apart(const tensor_view& state, const void* data, std::int64_t slots,
                        std::size_t apart) {
  std::vector<std::int64_t> extents{state.extents().begin(), state.extents().end()};
  std::vector<std::int64_t> strides{state.strides().begin(), state.strides().end()};
  extents[0] = slots;
  strides[0] = static_cast<std::int64_t>(apart) / size_of(state.dtype());
  return {data, state.dtype(), extents, strides};
}

/** What a lane in checked mode refuses of one step with that state. */
std::string refused_state(promising_layers& promising, const tensor_view& state,
                          stream_handle stream) {
  ssu_args args = promising.layers().args(0);
  args.state = state;
  pipeline_builder builder{{}, both_buckets};
  const pipeline built = builder.ssu("layer", args).recording({.checked = true}).build();
  return refused([&] { (void)built.make_lane(stream); });
}

TEST_F(checked_on_a_gpu, refuses_a_state_with_a_slot_that_has_no_memory) {
  promising_layers promising{target::cuda, spec_of(ssu_mode::plain, false)};
  const tensor_view& like = promising.layers().args(0).state;
  const stitched_memory whole{{true, true, true, true, true}};
  const std::size_t piece = whole.piece_bytes();
  const auto answer = [&](const stitched_memory& memory, std::int64_t slots, std::size_t apart) {
    return refused_state(promising, slots_apart(like, memory.data(), slots, apart), stream_->get());
  };
  EXPECT_EQ(answer(whole, 5, piece), "");
  const stitched_memory without_middle{{true, true, false, true, true}};
  EXPECT_EQ(answer(without_middle, 5, piece), "layer.state");
  EXPECT_EQ(answer(without_middle, 2, piece), "") << "the hole is behind it";
  EXPECT_EQ(answer(without_middle, 9, piece / 2), "layer.state");
  const stitched_memory every_other{{true, false, true, false, true}};
  EXPECT_EQ(answer(every_other, 3, 2 * piece), "") << "no slot lies in a hole";
  EXPECT_EQ(answer(every_other, 5, piece), "layer.state");
}

TEST_F(checked_on_a_gpu, refuses_to_rebind_to_memory_with_a_hole) {
  promising_layers promising{target::cuda, spec_of(ssu_mode::plain, false)};
  const stitched_memory whole{{true, true, true}};
  const stitched_memory without_middle{{true, false, true}};
  ssu_args args = promising.layers().args(0);
  args.state = slots_apart(args.state, whole.data(), 3, whole.piece_bytes());
  pipeline_builder builder{{}, both_buckets};
  const pipeline built = builder.ssu("layer", args).recording({.checked = true}).build();
  lane lane = built.make_lane(stream_->get());
  const binding hole{"layer", "state", without_middle.data()};
  EXPECT_EQ(refused([&] { (void)lane.rebind(std::span{&hole, 1}); }), "layer.state");
}

TEST_F(checked_on_a_gpu, takes_memory_of_a_pool_and_managed_memory) {
  promising_layers promising{target::cuda, spec_of(ssu_mode::plain, false)};
  const tensor_view& like = promising.layers().args(0).state;
  const std::size_t apart = 3 << 20;
  const std::size_t bytes = 5 * apart;
  void* pooled = nullptr;
  void* managed = nullptr;
  check(cudaMallocAsync(&pooled, bytes, stream_->get()));
  check(cudaMallocManaged(&managed, bytes));
  stream_->wait();
  for (const void* memory : {pooled, managed}) {
    EXPECT_EQ(refused_state(promising, slots_apart(like, memory, 5, apart), stream_->get()), "");
  }
  check(cudaFreeAsync(pooled, stream_->get()));
  stream_->wait();
  check(cudaFree(managed));
}

TEST_F(checked_on_a_gpu, refuses_what_was_freed_since_the_pipeline_was_built) {
  promising_layers promising{target::cuda, spec_of(ssu_mode::plain, false)};
  ssu_args args = promising.layers().args(0);
  std::optional<placed_memory> out{std::in_place, place::device,
                                   static_cast<std::size_t>(args.out.size()) * 4};
  args.out = tensor_view{out->data(), args.out.dtype(), args.out.extents()};
  pipeline_builder builder{{}, both_buckets};
  const pipeline built = builder.ssu("layer", args).recording({.checked = true}).build();
  (void)built.make_lane(stream_->get());
  out.reset();
  EXPECT_EQ(refused([&] { (void)built.make_lane(stream_->get()); }), "layer.out");
}

TEST_F(checked_on_a_gpu, watches_the_callers_own_graphs) {
  promising_layers promising{target::cuda, spec_of(ssu_mode::plain, false)};
  placed_memory live{place::device, sizeof(std::int32_t)};
  const std::int32_t batch = 5;
  live.write(0, std::as_bytes(std::span{&batch, 1}));
  const auto* count = reinterpret_cast<const std::int32_t*>(live.data());
  lane lane = promising.build(true).make_lane(stream_->get());

  cudaGraph_t captured = nullptr;
  cudaGraph_t parent = nullptr;
  check(cudaStreamBeginCapture(stream_->get(), cudaStreamCaptureModeGlobal));
  lane.record(most_sequences, count, stream_->get());
  check(cudaStreamEndCapture(stream_->get(), &captured));
  check(cudaGraphCreate(&parent, 0));
  (void)lane.add_child_graph(parent, {}, most_sequences, count);

  promises broken = promising.kept();
  broken.indices[4] = broken.indices[1];
  for (cudaGraph_t graph : {captured, parent}) {
    promising.write(broken);
    cudaGraphExec_t exec = nullptr;
    check(cudaGraphInstantiate(&exec, graph, 0));
    check(cudaGraphLaunch(exec, stream_->get()));
    stream_->wait();
    check(cudaGraphExecDestroy(exec));
    promising.write(promising.kept());
    check(cudaStreamBeginCapture(stream_->get(), cudaStreamCaptureModeGlobal));
    EXPECT_EQ(refused([&] { lane.record_prologue(3, count, stream_->get()); }),
              "layer0.state_batch_indices[4]");
    cudaGraph_t empty = nullptr;
    check(cudaStreamEndCapture(stream_->get(), &empty));
    check(cudaGraphDestroy(empty));
    EXPECT_EQ(refused([&] { lane.replay(5, stream_->get()); }), "");
    check(cudaGraphDestroy(graph));
  }
}

TEST_F(checked_on_a_gpu, reports_where_a_child_graph_is_added) {
  promising_layers promising{target::cuda, spec_of(ssu_mode::plain, false)};
  const placed_memory live{place::device, sizeof(std::int32_t)};
  const auto* count = reinterpret_cast<const std::int32_t*>(live.data());
  lane lane = promising.build(true).make_lane(stream_->get());
  promises broken = promising.kept();
  broken.indices[4] = broken.indices[1];
  promising.write(broken);
  lane.replay(5, stream_->get());
  promising.write(promising.kept());

  cudaGraph_t parent = nullptr;
  std::size_t nodes = 1;
  check(cudaGraphCreate(&parent, 0));
  EXPECT_EQ(refused([&] { (void)lane.add_child_graph(parent, {}, 3, count); }),
            "layer0.state_batch_indices[4]");
  check(cudaGraphGetNodes(parent, nullptr, &nodes));
  EXPECT_EQ(nodes, 0U);
  EXPECT_EQ(refused([&] { (void)lane.add_child_graph(parent, {}, 3, count); }), "");
  check(cudaGraphDestroy(parent));
}

#endif

}  // namespace
}  // namespace ssugraph::test
