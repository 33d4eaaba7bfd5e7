// Arbitrary tensors and scalars through the validation of the C++ API, by every call that takes
// them. The first bytes choose a right call; the rest spoil it. What is taken all the same, and
// lies within the memory here, is run. What came later is behind what there was, in each choice and
// at the end, so that an input goes on meaning what it meant.

#include "lib/ops/ssu/problem/operands.hpp"
#include "tests/fuzz/input.hpp"

#include <ssugraph/ssugraph.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace ssugraph;
using test::fuzz_input;

constexpr const auto& fields = detail::ssu_operands;

constexpr std::size_t bytes_a_tensor = 32768;
alignas(256) std::array<std::byte, bytes_a_tensor * fields.size()> memory;

/** Indices, counts and floats of any kind. */
void fill_memory(std::uint64_t word) {
  for (std::size_t at = 0; at < memory.size(); at += sizeof word)
    std::memcpy(memory.data() + at, &word, sizeof word);
}

void require(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "not so: %s\n", what.c_str());
  std::abort();
}

/** The argument that an invalid_argument of `call` names, `unsupported`, or nothing. Whatever else
 *  it throws ends the program. */
std::string refused(const std::function<void()>& call) {
  try {
    call();
    return {};
  } catch (const invalid_argument& error) {
    require(!error.argument().empty() && !error.expected().empty() && !error.came().empty(),
            "an error has words");
    return error.argument();
  } catch (const unsupported& error) {
    require(!error.refusals().empty(), "a refusal has a backend");
    return "unsupported";
  }
}

// --- What a tensor touches, in numbers that no input makes overflow

__extension__ typedef __int128 wide;

/** Its bytes, from the first that it touches to behind the last. */
struct wide_range {
  wide begin;
  wide end;
};

wide address_of(const void* data) {
  return static_cast<wide>(reinterpret_cast<std::uintptr_t>(data));
}

wide_range reach_of(const tensor_view& tensor) {
  wide_range reach{address_of(tensor.data()), address_of(tensor.data()) + size_of(tensor.dtype())};
  for (int axis = 0; axis < tensor.rank(); ++axis) {
    // A product of three is too long for these, too: what is out of reach may stop there.
    const wide steps = wide{tensor.extent(axis)} - 1;
    const wide limit = wide{1} << 100;
    const wide distance = std::clamp(steps * tensor.stride(axis), -limit, limit);
    (distance < 0 ? reach.begin : reach.end) += distance * size_of(tensor.dtype());
  }
  return reach;
}

bool is_empty(const tensor_view& tensor) {
  return std::ranges::find(tensor.extents(), 0) != tensor.extents().end();
}

bool is_in_reach(const tensor_view& tensor) {
  if (std::ranges::any_of(tensor.extents(), [](std::int64_t extent) { return extent < 0; }))
    return false;
  const wide limit = wide{1} << 62;
  wide bytes = size_of(tensor.dtype());
  for (const std::int64_t extent : tensor.extents())
    bytes = std::min(bytes * std::max<std::int64_t>(extent, 1), limit);
  if (bytes >= limit) return false;
  if (is_empty(tensor)) return true;
  const wide_range reach = reach_of(tensor);
  return reach.begin >= 0 && reach.end <= limit;
}

/** Whether each of its bytes is here. */
bool is_here(const tensor_view& tensor) {
  if (!tensor || is_empty(tensor)) return true;
  const wide_range reach = reach_of(tensor);
  return reach.begin >= address_of(memory.data()) &&
         reach.end <= address_of(memory.data() + memory.size());
}

// --- The call

class call {
 public:
  explicit call(fuzz_input& from) {
    config_.backend = "reference";
    // Plain, varlen, speculative; checkpointed, with cu_seqlens, and with accepted tokens, too.
    const std::size_t mode = from.pick(6);
    const std::uint8_t bound = from.take<std::uint8_t>();
    const bool has_rings = mode >= 3;
    const bool has_cu_seqlens = mode % 3 > 0;
    const std::int64_t t = has_cu_seqlens ? 2 : 1;
    const std::int64_t n = 1 + static_cast<std::int64_t>(from.pick(4));
    const std::int64_t rows = n * t;
    const std::int64_t nheads = bound & 16 ? 1 : 4;
    const std::int64_t ngroups = bound & 16 ? 1 : 2;
    constexpr std::array formats{dtype::float32, dtype::int8, dtype::int16, dtype::float8_e4m3};
    const dtype stored = formats[bound >> 6];
    place(&ssu_args::state, stored, {12, nheads, 8, 16});
    if (is_scaled(stored)) place(&ssu_args::state_scale, dtype::float32, {12, nheads, 8});
    for (auto member : {&ssu_args::x, &ssu_args::dt, &ssu_args::out})
      place(member, dtype::float32, {rows, nheads, 8});
    place(&ssu_args::A, dtype::float32, {nheads, 8, 16});
    for (auto member : {&ssu_args::B, &ssu_args::C})
      place(member, dtype::float32, {rows, ngroups, 16});
    if (bound & 1) place(&ssu_args::D, dtype::float32, {nheads, 8});
    if (bound & 2) place(&ssu_args::z, dtype::float32, {rows, nheads, 8});
    if (bound & 4) place(&ssu_args::dt_bias, dtype::float32, {nheads, 8});
    if (has_rings) {
      place_rings(from, n, nheads, ngroups, bound & 32);
    } else if (bound & 32) {
      place(&ssu_args::dst_state, stored, {12, nheads, 8, 16});
      if (is_scaled(stored)) place(&ssu_args::dst_state_scale, dtype::float32, {12, nheads, 8});
    }
    if (mode == 2) {
      place(&ssu_args::state_batch_indices, dtype::int32, {n, t});
      place(&ssu_args::dst_state_batch_indices, dtype::int64, {n, t});
      place(&ssu_args::num_accepted_tokens, dtype::int64, {n});
    } else if (bound & 8) {
      place(&ssu_args::state_batch_indices, dtype::int32, {n});
    }
    if (mode == 5) place(&ssu_args::num_accepted_tokens, dtype::int32, {n});
    if (has_cu_seqlens) place(&ssu_args::cu_seqlens, dtype::int32, {n + 1});
    if (has_cu_seqlens && mode != 2) args_.max_seqlen = t;
    batch_ = static_cast<std::int32_t>(n);
  }

  [[nodiscard]] const ssu_args& args() const { return args_; }
  [[nodiscard]] const mamba_config& config() const { return config_; }
  /** Sequences that it had before it was spoilt. */
  [[nodiscard]] std::int32_t batch() const { return batch_; }

  /** Changes one thing. */
  void spoil(fuzz_input& from) {
    constexpr std::size_t others = 4;
    const std::size_t which = from.pick(fields.size() + others);
    if (which == first_ring) return spoil_scalar(from);
    if (which > first_ring && which < first_ring + others) return resize(from);
    tensor_view& tensor = args_.*fields[which < first_ring ? which : which - others].member;
    try {
      tensor = spoilt(tensor, from);
    } catch (const invalid_argument&) {  // no such view is made
    }
  }

 private:
  static constexpr auto first_ring = static_cast<std::size_t>(ssu_tensor::x_ring);

  /** A tied model, W of 16, and rings that a cursor or, with `plan`, a plan says what is live of.
   */
  void place_rings(fuzz_input& from, std::int64_t n, std::int64_t nheads, std::int64_t ngroups,
                   bool plan) {
    constexpr std::int64_t ring_rows = 19;
    place(&ssu_args::x_ring, dtype::float32, {12, nheads, ring_rows, 8});
    place(&ssu_args::B_ring, dtype::float32, {12, ngroups, ring_rows, 16});
    place(&ssu_args::dt_ring, dtype::float32, {12, nheads, ring_rows});
    if (plan) {
      place(&ssu_args::ring_plan, dtype::int32, {n, 8});
    } else {
      place(&ssu_args::ring_cursor, dtype::int32, {12, 4});
    }
    if (from.pick(2) == 1) place(&ssu_args::rounding_key, dtype::int64, {12});
    for (auto member : {&ssu_args::A, &ssu_args::dt, &ssu_args::dt_bias}) {
      tensor_view& tensor = args_.*member;
      if (!tensor) continue;
      std::vector<std::int64_t> strides(tensor.extents().size(), 0);
      strides[member == &ssu_args::dt ? 1 : 0] = 1;
      if (member == &ssu_args::dt) strides[0] = nheads;
      tensor = {tensor.data(), tensor.dtype(), tensor.extents(), strides};
    }
  }

  void place(tensor_view ssu_args::*member, dtype type,
             std::initializer_list<std::int64_t> extents) {
    const auto which = static_cast<std::size_t>(
        std::ranges::find(fields, member, &detail::ssu_operand::member) - fields.begin());
    args_.*member = tensor_view{memory.data() + bytes_a_tensor * which, type, extents};
  }

  [[nodiscard]] tensor_view spoilt(const tensor_view& tensor, fuzz_input& from) const {
    const std::size_t how = from.pick(10);
    const std::uint64_t value = from.number();
    const auto number = static_cast<std::int64_t>(value);
    const std::byte* const here = memory.data() + value % memory.size();
    if (!tensor) return {here, dtype::int32, {number % 16}};
    const int axis = static_cast<int>(from.pick(static_cast<std::size_t>(tensor.rank())));
    const auto at = static_cast<std::size_t>(axis);
    std::vector<std::int64_t> extents{tensor.extents().begin(), tensor.extents().end()};
    std::vector<std::int64_t> strides{tensor.strides().begin(), tensor.strides().end()};
    switch (how) {
      case 0:
        return tensor.at(reinterpret_cast<const void*>(value));
      case 1:
        return tensor.at(here);
      case 2:
        return {tensor.data(), static_cast<dtype>(value), extents, strides};
      case 3:
        return tensor.with_extent(axis, number);
      case 4:
        return {};
      case 5:
        return tensor.rank() < tensor_view::max_rank ? tensor.with_unit_axis(axis) : tensor;
      case 6:
        extents.erase(extents.begin() + axis);
        strides.erase(strides.begin() + axis);
        return {tensor.data(), tensor.dtype(), extents, strides};
      case 7:
        return args_.*fields[value % fields.size()].member;
      default:
        strides[at] = number;
        return {tensor.data(), tensor.dtype(), extents, strides};
    }
  }

  /** Another size in all tensors that have it: what they read is the same all along that axis. */
  void resize(fuzz_input& from) {
    using detail::ssu_axis;
    constexpr std::array axes{ssu_axis::slots,   ssu_axis::rows, ssu_axis::nheads,
                              ssu_axis::ngroups, ssu_axis::dim,  ssu_axis::dstate};
    constexpr std::size_t sequences = 6;
    constexpr std::size_t tokens = 7;
    constexpr std::size_t ring = 8;
    const std::size_t what = from.pick(9);
    const auto is_resized = [&](ssu_axis axis) {
      return what == ring ? axis == ssu_axis::ring : what < axes.size() && axis == axes[what];
    };
    const auto size = static_cast<std::int64_t>(from.number());
    for (const detail::ssu_operand& one : fields) {
      tensor_view& tensor = args_.*one.member;
      const auto change = [&](int axis, std::int64_t extent) {
        if (axis >= tensor.rank()) return;
        std::vector<std::int64_t> extents{tensor.extents().begin(), tensor.extents().end()};
        std::vector<std::int64_t> strides{tensor.strides().begin(), tensor.strides().end()};
        extents[static_cast<std::size_t>(axis)] = extent;
        strides[static_cast<std::size_t>(axis)] = 0;
        tensor = one.what.is_written()
                     ? tensor_view{tensor.data(), tensor.dtype(), extents}
                     : tensor_view{tensor.data(), tensor.dtype(), extents, strides};
      };
      try {
        for (int axis = 0; axis < one.shape.rank; ++axis) {
          if (is_resized(one.shape.axes[static_cast<std::size_t>(axis)])) change(axis, size);
        }
        if (what == sequences && one.what.leading == detail::first_axis::sequences) change(0, size);
        if (what == sequences && one.what.leading == detail::first_axis::boundaries)
          change(0, size == INT64_MAX ? size : size + 1);
        if (what == tokens && one.what.leading == detail::first_axis::sequences) change(1, size);
      } catch (const invalid_argument&) {  // no such view is made
      }
    }
    if (size <= 64) return;
    // Out of each other's way, where there is room.
    args_.state = args_.state.at(reinterpret_cast<const void*>(std::uintptr_t{1} << 61));
    args_.dst_state = args_.dst_state.at(reinterpret_cast<const void*>(std::uintptr_t{3} << 59));
    args_.out = args_.out.at(reinterpret_cast<const void*>(std::uintptr_t{1} << 60));
    args_.state_scale =
        args_.state_scale.at(reinterpret_cast<const void*>(std::uintptr_t{1} << 58));
    args_.dst_state_scale =
        args_.dst_state_scale.at(reinterpret_cast<const void*>(std::uintptr_t{5} << 58));
    args_.x_ring = args_.x_ring.at(reinterpret_cast<const void*>(std::uintptr_t{7} << 58));
    args_.B_ring = args_.B_ring.at(reinterpret_cast<const void*>(std::uintptr_t{3} << 60));
    args_.dt_ring = args_.dt_ring.at(reinterpret_cast<const void*>(std::uintptr_t{5} << 59));
    args_.ring_cursor =
        args_.ring_cursor.at(reinterpret_cast<const void*>(std::uintptr_t{7} << 59));
  }

  void spoil_scalar(fuzz_input& from) {
    const std::size_t how = from.pick(9);
    const std::uint64_t value = from.number();
    switch (how) {
      case 0:
        args_.null_block_id = static_cast<std::int64_t>(value);
        break;
      case 1:
        args_.max_seqlen = static_cast<std::int64_t>(value);
        break;
      case 2:
        args_.dt_softplus = value % 2 == 1;
        break;
      case 3:
        config_.stochastic_rounding = value % 2 == 1;
        break;
      case 4:
        config_.philox_rounds = static_cast<int>(value % 13);
        break;
      case 6:
        args_.dt_min = std::bit_cast<float>(static_cast<std::uint32_t>(value));
        break;
      case 7:
        args_.dt_max = std::bit_cast<float>(static_cast<std::uint32_t>(value));
        break;
      case 8:
        args_.checkpoint_interval = static_cast<std::int64_t>(value);
        break;
      default:
        place(&ssu_args::rand_seed, dtype::int64, {1});
        break;
    }
  }

  mamba_config config_;
  ssu_args args_;
  std::int32_t batch_ = 0;
};

bool is_here(const ssu_args& args) {
  return std::ranges::all_of(
      fields, [&](const detail::ssu_operand& one) { return is_here(args.*one.member); });
}

/** So little that it is over soon. */
bool is_small(const tensor_view& tensor) {
  return !tensor || std::ranges::max(tensor.extents()) <= 64;
}

bool is_small(const ssu_args& args) {
  return std::ranges::all_of(
      fields, [&](const detail::ssu_operand& one) { return is_small(args.*one.member); });
}

/** Whether `argument` is one of the tensors that leave the address space, if any does. */
bool names_what_is_out_of_reach(const ssu_args& args, const std::string& argument) {
  bool any = false;
  for (const detail::ssu_operand& one : fields) {
    if (!(args.*one.member) || is_in_reach(args.*one.member)) continue;
    if (argument.ends_with(one.what.name)) return true;
    any = true;
  }
  return !any;
}

// --- What it is given to

/** Whether the configuration is one; all that take it say the same of it. */
bool is_valid_config(const call& given) {
  const mamba_config& config = given.config();
  const std::string by_dispatch = refused([&] { ssu_dispatch{config}; });
  const std::string by_builder = refused([&] {
    pipeline_builder{config, bucket_policy{{1}}, target::host};
  });
  require(by_dispatch.empty() || by_dispatch == "philox_rounds", "rounds are named");
  require(by_dispatch == by_builder, "both take the same configurations");
  return by_dispatch.empty();
}

/** What an eager call, or a dispatch, says; and runs it, if that can be. */
void dispatch(const call& given) {
  std::vector<backend_support> answers;
  const std::string by_all = refused([&] { answers = backends_for(given.args(), given.config()); });
  require(by_all != "unsupported", "a valid call is a problem to all backends");
  require(names_what_is_out_of_reach(given.args(), by_all), "what is out of reach is named");
  ssu_dispatch eager{given.config()};
  const std::string by_plan =
      refused([&] { require(!to_string(eager.plan(given.args())).empty(), "a plan has words"); });
  const bool has_cursor = given.args().ring_cursor && !given.args().ring_plan;
  require(by_plan == (has_cursor ? "ring_cursor" : by_all) || by_plan == "unsupported",
          "both validate the same, but that an eager call has no prologue");
  if (!by_plan.empty() || !is_here(given.args()) || !is_small(given.args())) return;
  eager.selective_state_update(given.args(), nullptr);
}

/** Addresses for a lane of `built`. */
std::vector<binding> bindings_of(fuzz_input& from) {
  std::vector<binding> bindings;
  for (std::size_t count = from.pick(3); count > 0; --count) {
    const std::string name{fields[from.pick(fields.size())].what.name};
    const bool here = from.pick(2) == 0;
    const std::uint64_t value = from.number();
    const void* const data = here ? static_cast<const void*>(memory.data() + value % memory.size())
                                  : reinterpret_cast<const void*>(value);
    bindings.push_back({"layer", name, data});
  }
  return bindings;
}

/** What a builder says, which is as it was after a refusal, and lanes of other addresses. */
void build(const call& given, fuzz_input& from) {
  const auto bucket = static_cast<std::int32_t>(1 + from.pick(8));
  pipeline_builder builder{given.config(), bucket_policy{{bucket}}, target::host};
  builder.recording({.checked = from.pick(2) == 1});
  if (const std::string by = refused([&] { builder.ssu("layer", given.args()); }); !by.empty()) {
    require(names_what_is_out_of_reach(given.args(), by), "what is out of reach is named: " + by);
    try {
      static_cast<void>(builder.build());
      require(false, "no pipeline without a step");
    } catch (const invalid_state&) {
    }
    return;
  }
  const pipeline built = builder.build();
  require(!built.describe().empty() && !built.describe_json().empty(), "a pipeline is described");
  const tensor_view& indices = given.args().state_batch_indices;
  if (indices && indices.rank() == 2 && indices.extent(1) > 64) return;  // a lane copies them
  const std::vector<binding> bindings = bindings_of(from);
  lane lane = built.make_lane(nullptr);
  const bool taken = refused([&] { static_cast<void>(lane.rebind(bindings)); }).empty();
  require(refused([&] { static_cast<void>(built.make_lane(nullptr, bindings)); }).empty() == taken,
          "a lane takes by a rebind what it takes at first");
  static_cast<void>(lane.stats());
  if (!taken || !bindings.empty() || !is_here(given.args()) || !is_small(given.args())) return;
  lane.replay(std::min(bucket, given.batch()), nullptr);
  static_cast<void>(refused([&] { static_cast<void>(lane.random_state()); }));  // broken promises
}

/** Slots are reset where state and slots are here, and are none where the states are elsewhere. */
void reset(const call& given, fuzz_input& from) {
  const tensor_view& state = given.args().state;
  const tensor_view& slots = given.args().state_batch_indices;
  std::int32_t slot = static_cast<std::int32_t>(from.pick(16));
  if (!is_here(state) || !is_small(state)) slot = -1;
  const std::vector<tensor_view> states{state};
  const std::string by = refused([&] {
    reset_slots(states, tensor_view{&slot, dtype::int32, {1}}, nullptr);
  });
  require(by.empty() || by == "states[0]", "the state is named");
  require(!by.empty() || is_in_reach(state), "no state out of reach");
  const std::string by_slots =
      refused([&] { reset_slots(std::span<const tensor_view>{}, slots, nullptr); });
  require(by_slots.empty() || by_slots == "slots", "the slots are named");
  require(!by_slots.empty() || is_in_reach(slots), "no slots out of reach");
}

/** The same of all that a layer keeps, and of loads, stores and attached rings. */
void move_slots(const call& given, fuzz_input& from) {
  alignas(16) static std::array<std::byte, sizeof(float) * 64 * 64 * 64> dense_memory;
  const ssu_args& args = given.args();
  const tensor_view& state = args.state;
  const std::vector<cache_view> caches{{args.state, args.state_scale, args.x_ring, args.B_ring,
                                        args.dt_ring, args.ring_cursor, args.rounding_key}};
  const std::array kept{args.state,   args.state_scale, args.x_ring,      args.B_ring,
                        args.dt_ring, args.ring_cursor, args.rounding_key};
  constexpr std::array formats{dtype::float32, dtype::float16, dtype::bfloat16};
  const dtype format = formats[from.pick(formats.size())];
  std::int32_t slot = static_cast<std::int32_t>(from.pick(16));
  const auto may_be_touched = [](const tensor_view& tensor) { return is_here(tensor); };
  if (!std::ranges::all_of(kept, may_be_touched) || !is_small(state)) slot = -1;
  std::vector<std::int64_t> extents{state.extents().begin(), state.extents().end()};
  if (!extents.empty()) extents.front() = 1;
  tensor_view dense;
  if (!refused([&] { dense = tensor_view{dense_memory.data(), format, extents}; }).empty()) return;
  const slot_list slots{tensor_view{&slot, dtype::int32, {1}}};
  const std::vector<tensor_view> states{dense};
  const auto position = static_cast<std::int64_t>(from.number());
  tensor_view positions{&position, dtype::int64, {1}};
  if (from.pick(4) == 3) positions = args.cu_seqlens;
  const bool are_here = is_here(args.cu_seqlens);
  for (const std::string& by :
       {refused([&] { load_slots(caches, states, slots, nullptr); }),
        refused([&] { store_slots(caches, slots, states, nullptr); }), refused([&] {
          if (are_here) attach_slots(caches, slots, positions, nullptr);
        }),
        refused([&] {
          if (are_here) load_slots(caches, states, slots, positions, nullptr);
        }),
        refused([&] { reset_slots(caches, slots, nullptr); })}) {
    require(by.empty() || by == "states[0]" || by == "positions" || by.starts_with("caches[0]."),
            "a tensor is named");
    require(!by.empty() || !are_here || std::ranges::all_of(kept, is_in_reach),
            "no cache out of reach");
  }
}

void stage(const call& given, fuzz_input& from) {
  staging_ring ring{256, 1, device::host()};
  ring.begin();
  const auto rows = static_cast<std::int64_t>(from.number());
  for (const detail::ssu_operand& one : fields) {
    const tensor_view& tensor = given.args().*one.member;
    const std::string by = refused([&] {
      if (tensor.dtype() == dtype::int32) {
        std::ranges::fill(ring.take<std::int32_t>(tensor, rows), 0);
      } else {
        std::ranges::fill(ring.take<std::int64_t>(tensor, rows), 0);
      }
    });
    require(by.empty() || by == "destination" || by == "rows", "the argument is named");
    require(!by.empty() || is_in_reach(tensor), "no destination out of reach");
  }
}

void declare(fuzz_input& from) {
  pipeline_builder builder{{}, bucket_policy{{1}}, target::host};
  const std::uint64_t address = from.number();
  const std::uint64_t bytes = from.number();
  const byte_range written{reinterpret_cast<const void*>(address), bytes};
  const std::string by = refused([&] {
    builder.step("mine", [](const step_context&, stream_handle) {},
                 {.writes = std::vector{written}});
  });
  const bool in_reach = wide{address} + wide{bytes} <= wide{1} << 62 && address < 1ULL << 62;
  require(by == (in_reach ? "" : "mine.writes"), "bytes within the address space");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bool quiet = [] {
    set_log_sink([](std::string_view) {});
    return true;
  }();
  require(quiet, "a log sink");
  fuzz_input from{{data, size}};
  fill_memory(from.take<std::uint64_t>());
  call given{from};
  const std::size_t faults = from.pick(5);
  for (std::size_t i = 0; i < faults && !from.empty(); ++i)
    given.spoil(from);
  if (!is_valid_config(given)) return 0;
  dispatch(given);
  build(given, from);
  reset(given, from);
  stage(given, from);
  declare(from);
  move_slots(given, from);
  return 0;
}
