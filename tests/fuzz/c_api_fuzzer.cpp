// Arbitrary tensors and scalars through the validation of the C API. Nothing runs on a tensor that
// is not here, so that addresses may be anything. The first bytes choose a right call; the rest
// spoil it, and behind it one of slots, and the sizes of a cache. What came later is behind what
// there was, in each choice and at the end, so that an input goes on meaning what it meant.

#include "tests/c_api/c_fields.hpp"
#include "tests/fuzz/input.hpp"

#include <ssugraph/ssugraph.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <string>

namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "not so: %s (last error: %s)\n", what, ssugraph_last_error());
  std::abort();
}

/** A failure has words; a success nothing to say. */
bool succeeded(ssugraph_status status) {
  require(status >= SSUGRAPH_STATUS_SUCCESS && status <= SSUGRAPH_STATUS_UNSUPPORTED,
          "a status of validation");
  if (status == SSUGRAPH_STATUS_SUCCESS) return true;
  require(ssugraph_last_error()[0] != '\0', "an error with a text");
  return false;
}

enum {
  state,
  x,
  dt,
  A,
  B,
  C,
  D,
  z,
  dt_bias,
  out,
  slots,
  dst,
  accepted,
  boundaries,
  seed,
  written,
  scale,
  written_scale,
  x_ring,
  B_ring,
  dt_ring,
  cursor,
  plan,
  key,
  tensors
};

using ssugraph::test::c_fields;
using ssugraph::test::fuzz_input;
static_assert(c_fields.size() == tensors);

using axes = std::array<std::int64_t, 4>;

void lay_out(DLTensor& tensor, axes& shape, axes& strides, void* data,
             std::initializer_list<std::int64_t> extents, DLDataType type) {
  tensor.data = data;
  tensor.device = {kDLCPU, 0};
  tensor.ndim = static_cast<int>(extents.size());
  tensor.dtype = type;
  tensor.shape = shape.data();
  tensor.strides = strides.data();
  std::ranges::copy(extents, shape.begin());
  std::int64_t stride = 1;
  for (int axis = tensor.ndim - 1; axis >= 0; --axis) {
    strides[static_cast<std::size_t>(axis)] = stride;
    stride *= shape[static_cast<std::size_t>(axis)];
  }
}

/** Changes one thing; `how` is 0 to 7, or else an extent or a stride. */
void spoil_tensor(DLTensor& tensor, axes& shape, axes& strides, std::size_t how,
                  std::uint64_t value, fuzz_input& from) {
  switch (how) {
    case 0:
      tensor.data = reinterpret_cast<void*>(value);
      break;
    case 1:
      tensor.byte_offset = value;
      break;
    case 2:
      tensor.ndim = static_cast<int>(value);
      break;
    case 3:
      tensor.dtype = {static_cast<std::uint8_t>(value), static_cast<std::uint8_t>(value >> 8),
                      static_cast<std::uint16_t>(value >> 16)};
      break;
    case 4:
      std::memcpy(&tensor.device.device_type, &value, 4);
      break;
    case 5:
      tensor.device.device_id = static_cast<int>(value);
      break;
    case 6:
      tensor.strides = nullptr;
      break;
    case 7:
      tensor.shape = nullptr;
      break;
    case 10:
      shape[from.pick(4)] = static_cast<std::int64_t>(value);
      break;
    default:
      strides[from.pick(4)] = static_cast<std::int64_t>(value);
      break;
  }
}

/** A right call of one mode, its structs at the front of memory that a wrong size may reach. */
class call {
 public:
  explicit call(fuzz_input& from) {
    config().struct_size = sizeof(ssugraph_config);
    config().backend = "reference";
    args().struct_size = sizeof(ssugraph_ssu_args);
    // Plain, varlen, speculative; checkpointed, with cu_seqlens, and with accepted tokens, too.
    const std::size_t mode = from.pick(6);
    const bool has_boundaries = mode % 3 > 0;
    const std::int64_t t = has_boundaries ? 2 : 1;
    const std::int64_t rows = 4 * t;
    for (const int tensor : {x, dt, out})
      place(tensor, {rows, 4, 8}, {kDLFloat, 32, 1});
    place(A, {4, 8, 16}, {kDLFloat, 32, 1});
    for (const int tensor : {B, C})
      place(tensor, {rows, 2, 16}, {kDLFloat, 32, 1});
    const std::uint8_t bound = from.take<std::uint8_t>();
    constexpr std::array<DLDataType, 4> formats{
        {{kDLFloat, 32, 1}, {kDLInt, 8, 1}, {kDLInt, 16, 1}, {10, 8, 1}}};
    const DLDataType stored = formats[bound >> 6];
    place(state, {12, 4, 8, 16}, stored);
    if (bound >> 6) place(scale, {12, 4, 8}, {kDLFloat, 32, 1});
    if (bound & 1) place(D, {4, 8}, {kDLFloat, 32, 1});
    if (bound & 2) place(z, {rows, 4, 8}, {kDLFloat, 32, 1});
    if (bound & 4) place(dt_bias, {4, 8}, {kDLFloat, 32, 1});
    if (mode >= 3) {
      place_rings(bound & 16, bound & 32);
    } else if (bound & 16) {
      place(written, {12, 4, 8, 16}, stored);
      if (bound >> 6) place(written_scale, {12, 4, 8}, {kDLFloat, 32, 1});
    }
    if (mode == 2) {
      for (const int tensor : {slots, dst})
        place(tensor, {4, t}, {kDLInt, 32, 1});
      place(accepted, {4}, {kDLInt, 64, 1});
    } else if (bound & 8) {
      place(slots, {4}, {kDLInt, 32, 1});
    }
    if (mode == 5) place(accepted, {4}, {kDLInt, 64, 1});
    if (has_boundaries) place(boundaries, {5}, {kDLInt, 32, 1});
    if (has_boundaries && mode != 2) args().max_seqlen = t;
  }

  ssugraph_config& config() { return *reinterpret_cast<ssugraph_config*>(config_.data()); }
  ssugraph_ssu_args& args() { return *reinterpret_cast<ssugraph_ssu_args*>(args_.data()); }

  /** Changes one thing. */
  void spoil(fuzz_input& from) {
    const std::size_t choice = from.pick(tensors + 1);
    if (choice == x_ring) return spoil_scalar(from);
    const std::size_t what = choice < x_ring ? choice : choice - 1;
    DLTensor& tensor = tensors_[what];
    const auto value = from.number();
    const std::size_t how = from.pick(12);
    if (how == 8) {
      args().*c_fields[what] = value % 2 == 0 ? nullptr : &tensor;
    } else if (how == 9) {
      tensor.data = memory_.data() + value % memory_.size();
    } else {
      spoil_tensor(tensor, shapes_[what], strides_[what], how, value, from);
    }
  }

 private:
  void place(int which, std::initializer_list<std::int64_t> extents, DLDataType type) {
    lay_out(tensors_[which], shapes_[which], strides_[which], memory_.data() + 32768 * which,
            extents, type);
    args().*c_fields[which] = &tensors_[which];
  }

  /** Of a tied model and W of 16, which is the default. */
  void place_rings(bool has_plan, bool has_key) {
    place(x_ring, {12, 4, 19, 8}, {kDLFloat, 32, 1});
    place(B_ring, {12, 2, 19, 16}, {kDLFloat, 32, 1});
    place(dt_ring, {12, 4, 19}, {kDLFloat, 32, 1});
    has_plan ? place(plan, {4, 8}, {kDLInt, 32, 1}) : place(cursor, {12, 4}, {kDLInt, 32, 1});
    if (has_key) place(key, {12}, {kDLInt, 64, 1});
    strides_[A] = {1, 0, 0};
    strides_[dt] = {4, 1, 0};
    strides_[dt_bias] = {1, 0};
  }

  void spoil_scalar(fuzz_input& from) {
    const auto value = from.number();
    const auto small = static_cast<std::int32_t>(value);
    switch (from.pick(15)) {
      case 0:
        args().struct_size = value;
        break;
      case 1:
        args_[from.take<std::uint16_t>() % (args_.size() - 256) + 256] = std::byte{1};
        break;
      case 2:
        args().null_block_id = static_cast<std::int64_t>(value);
        break;
      case 3:
        args().max_seqlen = static_cast<std::int64_t>(value);
        break;
      case 4:
        args().dt_softplus = small;
        break;
      case 5:
        args().has_null_block = small;
        break;
      case 6:
        config().struct_size = value;
        break;
      case 7:
        config().stochastic_rounding = small;
        break;
      case 8:
        config().philox_rounds = small;
        break;
      case 9:
        std::memcpy(name_.data(), &value, sizeof value);
        config().backend = name_.data();
        break;
      case 10:
        std::memcpy(name_.data(), &value, sizeof value);
        config().algorithm = name_.data();
        break;
      case 12:
        args().dt_limited = small;
        break;
      case 13:
        std::memcpy(&args().dt_min, &value, sizeof value);
        break;
      case 14:
        args().checkpoint_interval = static_cast<std::int64_t>(value);
        break;
      default:
        place(seed, {1}, {kDLInt, 64, 1});
        break;
    }
  }

  alignas(16) std::array<std::byte, 4200> config_{};
  alignas(16) std::array<std::byte, 4200> args_{};
  std::array<DLTensor, tensors> tensors_{};
  std::array<axes, tensors> shapes_{};
  std::array<axes, tensors> strides_{};
  std::array<char, 9> name_{};
  static inline std::array<std::byte, 32768 * tensors> memory_;
};

/** What two layers keep, int8 and fp32, with dense states of two slots; with rings, on one cursor.
 */
class slot_call {
 public:
  explicit slot_call(bool has_rings) {
    place(0, {4, 2, 3, 8}, {kDLInt, 8, 1});
    place(1, {4, 2, 3, 8}, {kDLFloat, 32, 1});
    place(first_scale, {4, 2, 3}, {kDLFloat, 32, 1});
    for (const std::size_t dense : {first_dense, first_dense + 1})
      place(dense, {2, 2, 3, 8}, {kDLFloat, 32, 1});
    for (std::size_t layer = 0; layer < layers; ++layer) {
      cache(layer).struct_size = sizeof(ssugraph_cache);
      cache(layer).state = &tensors_[layer];
      if (layer == 0) cache(layer).state_scale = &tensors_[first_scale];
      caches_[layer] = &cache(layer);
      states_[layer] = &tensors_[first_dense + layer];
      if (has_rings) add_rings(layer);
    }
    place(positions, {2}, {kDLInt, 64, 1});
    list_all_null();
  }

  /** Changes one thing. */
  void spoil(fuzz_input& from) {
    constexpr std::size_t members_behind = 20;
    const std::size_t what = from.pick(members_behind + 6);
    const std::uint64_t value = from.number();
    const std::size_t layer = value % layers;
    const DLTensor* const other = value % 3 == 0 ? nullptr : &tensors_[value / 8 % tensors_.size()];
    switch (what) {
      case 0:
        list().struct_size = value;
        break;
      case 1:
        list().null_block_id = static_cast<std::int64_t>(value);
        break;
      case 2:
        list().has_null_block = static_cast<std::int32_t>(value);
        break;
      case 3:
        list().reserved = static_cast<std::int32_t>(value);
        break;
      case 4:
        list().indices = other;
        break;
      case 5:
        cache(layer).struct_size = value;
        break;
      case 6:
        cache(layer).state = other;
        break;
      case 7:
        cache(layer).state_scale = other;
        break;
      case 8:
        states_[layer] = other;
        break;
      case 9:
        caches_[layer] = value % 3 == 0 ? nullptr : &cache(1 - layer);
        break;
      case 10:
        structs_[value / 4 % structs_.size()][value / 16 % (structs_[0].size() - 64) + 64] =
            std::byte{1};
        break;
      case 11:
        std::memcpy(memory_[indices].data(), &value, sizeof value);
        break;
      case members_behind:
        cache(layer).x_ring = other;
        break;
      case members_behind + 1:
        cache(layer).B_ring = other;
        break;
      case members_behind + 2:
        cache(layer).dt_ring = other;
        break;
      case members_behind + 3:
        cache(layer).ring_cursor = other;
        break;
      case members_behind + 4:
        cache(layer).rounding_key = other;
        break;
      case members_behind + 5:
        positions_ = other;
        break;
      default:
        spoil_tensor(from, value);
        break;
    }
  }

  /** All calls, which take the same; memory that is not here is only looked at. */
  void run() {
    const auto is_used = [](const DLTensor& each) { return each.dtype.bits != 0; };
    if (!std::ranges::all_of(tensors_,
                             [&](const DLTensor& each) { return !is_used(each) || is_here(each); }))
      list_all_null();
    auto before = memory_;
    const auto accepted = [&](ssugraph_status status) {
      const bool ran = succeeded(status);
      require(ran || memory_ == before, "what is refused writes nothing");
      before = memory_;
      return ran;
    };
    const ssugraph_cache* const* const caches = caches_.data();
    const bool loaded =
        accepted(ssugraph_load_slots(caches, states_.data(), layers, &list(), nullptr));
    accepted(ssugraph_store_slots(caches, &list(), states_.data(), layers, nullptr));
    accepted(ssugraph_load_slots_at(caches, states_.data(), layers, &list(), positions_, nullptr));
    accepted(ssugraph_attach_slots(caches, layers, &list(), positions_, nullptr));
    const bool reset = accepted(ssugraph_reset_caches(caches, layers, &list(), nullptr));
    require(reset || !loaded, "what is loaded can be reset");
  }

 private:
  static constexpr std::size_t layers = 2;
  static constexpr std::size_t first_scale = 2;
  static constexpr std::size_t first_dense = 3;
  static constexpr std::size_t indices = 5;
  static constexpr std::size_t positions = 6;
  static constexpr std::size_t ring_cursor = 7;
  static constexpr std::size_t first_of_rings = 8;  // of a layer: x_ring, B_ring, dt_ring, key
  static constexpr std::size_t count = 16;

  ssugraph_cache& cache(std::size_t layer) {
    return *reinterpret_cast<ssugraph_cache*>(structs_[layer].data());
  }
  ssugraph_slot_list& list() {
    return *reinterpret_cast<ssugraph_slot_list*>(structs_[layers].data());
  }

  void place(std::size_t which, std::initializer_list<std::int64_t> extents, DLDataType type) {
    lay_out(tensors_[which], shapes_[which], strides_[which], memory_[which].data(), extents, type);
  }

  void add_rings(std::size_t layer) {
    const std::size_t first = first_of_rings + 4 * layer;
    place(first, {4, 2, 5, 3}, {kDLBfloat, 16, 1});
    place(first + 1, {4, 1, 5, 8}, {kDLFloat, 32, 1});
    place(first + 2, {4, 2, 5}, {kDLFloat, 32, 1});
    place(first + 3, {4}, {kDLInt, 64, 1});
    place(ring_cursor, {4, 4}, {kDLInt, 32, 1});
    cache(layer).x_ring = &tensors_[first];
    cache(layer).B_ring = &tensors_[first + 1];
    cache(layer).dt_ring = &tensors_[first + 2];
    cache(layer).ring_cursor = &tensors_[ring_cursor];
    cache(layer).rounding_key = &tensors_[first + 3];
  }

  /** A list of the null block alone, so that no call touches a state. */
  void list_all_null() {
    list().struct_size = sizeof(ssugraph_slot_list);
    tensors_[indices] = {};
    place(indices, {2}, {kDLInt, 32, 1});
    memory_[indices].fill({});
    list().indices = &tensors_[indices];
    list().null_block_id = 0;
    list().has_null_block = 1;
  }

  void spoil_tensor(fuzz_input& from, std::uint64_t value) {
    const std::size_t which = from.pick(count);
    const std::size_t how = from.pick(12);
    if (how == 8 || how == 9) {
      tensors_[which].data = memory_[0].data() + value % sizeof memory_;
    } else {
      ::spoil_tensor(tensors_[which], shapes_[which], strides_[which], how, value, from);
    }
  }

  /** Whether all that it may touch is, in numbers that no input makes overflow. */
  bool is_here(const DLTensor& tensor) const {
    __extension__ typedef __int128 wide;
    if (tensor.shape == nullptr || tensor.ndim < 1 || tensor.ndim > 4) return false;
    const wide size = (tensor.dtype.bits + 7) / 8;
    const wide here = static_cast<wide>(reinterpret_cast<std::uintptr_t>(memory_[0].data()));
    wide begin = static_cast<wide>(reinterpret_cast<std::uintptr_t>(tensor.data)) +
                 static_cast<wide>(tensor.byte_offset);
    wide end = begin + size;
    wide dense = 1;
    for (int axis = tensor.ndim - 1; axis >= 0; --axis) {
      const wide extent = tensor.shape[axis];
      if (extent < 0 || extent > 64) return false;
      const wide stride = tensor.strides == nullptr ? dense : wide{tensor.strides[axis]};
      (stride < 0 ? begin : end) += (extent - 1) * stride * size;
      dense *= extent;
    }
    return dense == 0 || (begin >= here && end <= here + static_cast<wide>(sizeof memory_));
  }

  alignas(16) std::array<std::array<std::byte, 1024>, count> memory_{};
  alignas(16) std::array<std::array<std::byte, 4208>, layers + 1> structs_{};
  std::array<DLTensor, count> tensors_{};
  std::array<axes, count> shapes_{};
  std::array<axes, count> strides_{};
  std::array<const ssugraph_cache*, layers> caches_{};
  std::array<const DLTensor*, layers> states_{};
  const DLTensor* positions_ = &tensors_[positions];
};

/** Caches, dense states and a list of slots, spoilt by what is left of the input. */
void move_slots(fuzz_input& from) {
  const std::size_t choice = from.pick(10);
  const std::size_t faults = choice % 5;
  slot_call given{choice >= 5};
  for (std::size_t i = 0; i < faults && !from.empty(); ++i)
    given.spoil(from);
  given.run();
}

/** The layout of a cache, whose parts lie in their slot one behind the other. */
void lay_out(fuzz_input& from) {
  alignas(16) std::array<std::byte, 520> memory{};  // as much as a size may be
  auto& sizes = *reinterpret_cast<ssugraph_cache_sizes*>(memory.data());
  sizes.struct_size = sizeof sizes;
  sizes.nheads = sizes.dim = sizes.dstate = 8;
  for (std::size_t faults = from.pick(5); faults > 0; --faults) {
    const std::size_t word = from.pick(sizeof sizes / 8);
    const std::uint64_t value = from.number();
    std::memcpy(memory.data() + 8 * word, &value, sizeof value);
  }
  ssugraph_cache_layout layout{};
  layout.struct_size = sizeof layout;
  if (!succeeded(ssugraph_lay_out_cache(&sizes, &layout)))
    return require(layout.slot_bytes == 0, "what is refused writes nothing");
  require(layout.slot_bytes > 0 && layout.slot_bytes % 256 == 0, "a slot has bytes");
  std::int64_t end = 0;
  for (const ssugraph_cache_part* part :
       {&layout.state, &layout.state_scale, &layout.x_ring, &layout.B_ring, &layout.dt_ring}) {
    if (part->ndim == 0) continue;
    require(part->offset >= end && part->offset % 128 == 0, "parts are apart");
    end = part->offset + part->shape[1] * part->strides[1] * part->dtype.bits / 8;
  }
  require(end <= layout.layer_bytes && layout.layer_bytes <= layout.slot_bytes,
          "parts are within a slot");
}

/** What an eager call, or a dispatch, would say. */
void ask_backends(call& given) {
  static bool serves = false;
  serves = false;
  const auto visit = [](void*, const char* backend, const char* why_not) {
    if (std::string{backend} == "reference") serves = why_not[0] == '\0';
  };
  const bool valid =
      succeeded(ssugraph_backends_for(&given.config(), &given.args(), visit, nullptr));
  require(!serves || valid, "an answer only to a problem");
  ssugraph_dispatch* dispatch = nullptr;
  if (succeeded(ssugraph_dispatch_create(&given.config(), 0, &dispatch))) {
    std::array<char, 64> text{};
    // That a cursor is a pipeline's is said by eager calls alone: valid, but not planned.
    const bool planned = succeeded(
        ssugraph_dispatch_plan(dispatch, &given.args(), text.data(), text.size(), nullptr));
    require(!planned || valid, "a plan only for a problem");
    require(!planned || text[0] != '\0', "a plan has words");
    require(succeeded(ssugraph_dispatch_destroy(dispatch)), "a dispatch ends");
  } else {
    require(dispatch == nullptr, "no handle of a failure");
  }
}

/** What a builder says, which is as it was after a refusal. */
void build(call& given, fuzz_input& from) {
  const std::array<std::int32_t, 2> buckets{2, static_cast<std::int32_t>(from.pick(9))};
  ssugraph_builder* builder = nullptr;
  if (!succeeded(ssugraph_builder_create(&given.config(), buckets.data(), 2, SSUGRAPH_TARGET_HOST,
                                         &builder))) {
    return require(builder == nullptr, "no handle of a failure");
  }
  const bool taken = succeeded(ssugraph_builder_ssu(builder, "layer", &given.args(), nullptr));
  ssugraph_pipeline* pipeline = nullptr;
  const ssugraph_status built = ssugraph_builder_build(builder, &pipeline);
  require(built == (taken ? SSUGRAPH_STATUS_SUCCESS : SSUGRAPH_STATUS_INVALID_STATE),
          "a pipeline of the layers that were taken");
  if (taken) {
    std::size_t length = 0;
    require(succeeded(ssugraph_pipeline_describe_json(pipeline, nullptr, 0, &length)),
            "a pipeline is described");
    require(succeeded(ssugraph_pipeline_destroy(pipeline)), "a pipeline ends");
  }
  require(succeeded(ssugraph_builder_destroy(builder)), "a builder ends");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bool quiet = [] {
    const auto ignore = [](void*, const char*) {};
    return succeeded(ssugraph_set_log_sink(ignore, nullptr));
  }();
  require(quiet, "a log sink");
  fuzz_input from{{data, size}};
  call given{from};
  const std::size_t faults = from.pick(5);
  for (std::size_t i = 0; i < faults && !from.empty(); ++i)
    given.spoil(from);
  ask_backends(given);
  build(given, from);
  move_slots(from);
  lay_out(from);
  return 0;
}
