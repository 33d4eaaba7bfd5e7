#include "graphs/c_api/values.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>

namespace ssugraph::c_api {
namespace {

// What programs were compiled with. Structs with a size may grow at their end; none has padding,
// for that would be garbage that a later version took for a field.
static_assert(sizeof(ssugraph_config) == 32 &&
              offsetof(ssugraph_config, stochastic_rounding) == 24);
static_assert(sizeof(ssugraph_ssu_args) == 248 &&
              offsetof(ssugraph_ssu_args, has_null_block) == 28);
static_assert(offsetof(ssugraph_ssu_args, state) == 32 &&
              offsetof(ssugraph_ssu_args, rand_seed) == 144 &&
              offsetof(ssugraph_ssu_args, dst_state) == 152 &&
              offsetof(ssugraph_ssu_args, dst_state_scale) == 168 &&
              offsetof(ssugraph_ssu_args, dt_limited) == 184 &&
              offsetof(ssugraph_ssu_args, x_ring) == 192 &&
              offsetof(ssugraph_ssu_args, checkpoint_interval) == 240);
static_assert(sizeof(ssugraph_random_state) == 16 &&
              offsetof(ssugraph_random_state, next_draw) == 8);
static_assert(sizeof(ssugraph_binding) == 24 && offsetof(ssugraph_binding, data) == 16);
static_assert(sizeof(ssugraph_byte_range) == 16 && offsetof(ssugraph_byte_range, bytes) == 8);
static_assert(sizeof(ssugraph_bucket_time) == 16 &&
              offsetof(ssugraph_bucket_time, microseconds) == 8);
static_assert(sizeof(ssugraph_eager_options) == 16 &&
              offsetof(ssugraph_eager_options, programmatic_dependent_launch) == 12);
static_assert(sizeof(ssugraph_cache) == 64 && offsetof(ssugraph_cache, state_scale) == 16 &&
              offsetof(ssugraph_cache, rounding_key) == 56);
static_assert(sizeof(ssugraph_cache_sizes) == 96 &&
              offsetof(ssugraph_cache_sizes, ring_rows) == 72 &&
              offsetof(ssugraph_cache_sizes, reserved) == 92);
static_assert(sizeof(ssugraph_cache_part) == 80 && offsetof(ssugraph_cache_part, dtype) == 76);
static_assert(sizeof(ssugraph_cache_layout) == 432 &&
              offsetof(ssugraph_cache_layout, dt_ring) == 352);
static_assert(sizeof(ssugraph_slot_list) == 32 &&
              offsetof(ssugraph_slot_list, null_block_id) == 16 &&
              offsetof(ssugraph_slot_list, reserved) == 28);
static_assert(sizeof(ssugraph_ssu_addresses) == 200 &&
              offsetof(ssugraph_ssu_addresses, dst_state_scale) == 144 &&
              offsetof(ssugraph_ssu_addresses, rounding_key) == 192);
static_assert(sizeof(ssugraph_ssu_options) == 24 &&
              offsetof(ssugraph_ssu_options, reserved) == 12 &&
              offsetof(ssugraph_ssu_options, sequences) == 16);
static_assert(sizeof(ssugraph_sequence_group) == 96 &&
              offsetof(ssugraph_sequence_group, null_block_id) == 64 &&
              offsetof(ssugraph_sequence_group, reserved) == 92);
static_assert(sizeof(ssugraph_ring_plan_args) == 88 &&
              offsetof(ssugraph_ring_plan_args, null_block_id) == 48 &&
              offsetof(ssugraph_ring_plan_args, reserved) == 84);
static_assert(sizeof(ssugraph_tracker_plan_args) == 88 &&
              offsetof(ssugraph_tracker_plan_args, null_block_id) == 56 &&
              offsetof(ssugraph_tracker_plan_args, reserved) == 84);
static_assert(sizeof(ssugraph_step_options) == 48 &&
              offsetof(ssugraph_step_options, writes) == 24 &&
              offsetof(ssugraph_step_options, warm_up) == 44);
static_assert(sizeof(ssugraph_tuning_options) == 32 &&
              offsetof(ssugraph_tuning_options, scratch_fraction) == 16 &&
              offsetof(ssugraph_tuning_options, batch_invariant) == 28);
static_assert(sizeof(ssugraph_recording_options) == 40 &&
              offsetof(ssugraph_recording_options, lazy) == 24 &&
              offsetof(ssugraph_recording_options, reserved) == 36);
static_assert(sizeof(ssugraph_lane_stats) == 64 &&
              offsetof(ssugraph_lane_stats, bucket_count) == 56);
static_assert(sizeof(ssugraph_bucket_stats) == 56 &&
              offsetof(ssugraph_bucket_stats, build_ms) == 40 &&
              offsetof(ssugraph_bucket_stats, recorded) == 52);
static_assert(sizeof(ssugraph_step_context) == 128 &&
              offsetof(ssugraph_step_context, seeds) == 56 &&
              offsetof(ssugraph_step_context, scratch) == 72 &&
              offsetof(ssugraph_step_context, bucket) == 104 &&
              offsetof(ssugraph_step_context, first_row) == 112 &&
              offsetof(ssugraph_step_context, ring_plan) == 120);

/** No struct will be larger; a size beyond it was never set. */
constexpr std::size_t largest_struct = 512;

std::size_t struct_size(const char* name, const void* given) {
  if (given == nullptr) throw invalid_argument{name, "a struct", "null"};
  std::size_t size = 0;
  std::memcpy(&size, given, sizeof size);
  // All fields are of 8 bytes or pairs of 4, so that no version ends within one.
  if (size >= sizeof size && size <= largest_struct && size % 8 == 0) return size;
  throw invalid_argument{
      std::string{name} + ".struct_size",
      "the size of the struct, a multiple of 8 up to " + std::to_string(largest_struct),
      std::to_string(size)};
}

}  // namespace

void read_struct(const char* name, const void* given, void* known, std::size_t known_size) {
  const std::size_t size = struct_size(name, given);
  const auto* bytes = static_cast<const unsigned char*>(given);
  for (std::size_t i = known_size; i < size; ++i) {
    if (bytes[i] == 0) continue;
    throw invalid_argument{
        std::string{name} + ".struct_size",
        "zeros behind the " + std::to_string(known_size) +
            " bytes that this version of the library knows",
        "something in byte " + std::to_string(i) + " of " + std::to_string(size)};
  }
  std::memcpy(known, given, std::min(size, known_size));
}

void write_struct(const char* name, void* to, const void* known, std::size_t known_size) {
  const std::size_t size = struct_size(name, to);
  const std::size_t common = std::min(size, known_size);
  constexpr std::size_t head = sizeof size;
  auto* bytes = static_cast<unsigned char*>(to);
  std::memcpy(bytes + head, static_cast<const unsigned char*>(known) + head, common - head);
  std::memset(bytes + common, 0, size - common);
}

bool flag(const char* name, std::int32_t value) {
  if (value == 0 || value == 1) return value == 1;
  throw invalid_argument{name, "0 or 1", std::to_string(value)};
}

std::optional<bool> toggle(const char* name, std::int32_t value) {
  switch (value) {
    case SSUGRAPH_TOGGLE_DEFAULT:
      return std::nullopt;
    case SSUGRAPH_TOGGLE_ON:
      return true;
    case SSUGRAPH_TOGGLE_OFF:
      return false;
    default:
      throw invalid_argument{name, "an ssugraph_toggle, 0 to 2", std::to_string(value)};
  }
}

void check_reserved(const char* name, std::int32_t value) {
  if (value != 0) throw invalid_argument{name, "0", std::to_string(value)};
}

std::uint8_t enumerator(const char* name, std::int32_t value, std::int32_t count) {
  if (value >= 0 && value < count) return static_cast<std::uint8_t>(value);
  throw invalid_argument{name, "0 to " + std::to_string(count - 1), std::to_string(value)};
}

std::string text(const char* name, const char* given) {
  if (given == nullptr) throw invalid_argument{name, "a string", "null"};
  try {
    static_cast<void>(nlohmann::json(given).dump());  // where names end up, and which checks them
  } catch (const nlohmann::json::type_error&) {
    throw invalid_argument{name, "UTF-8", "other bytes"};
  }
  return given;
}

}  // namespace ssugraph::c_api
