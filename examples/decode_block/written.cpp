#include "written.hpp"

#include "checks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace decode_block {
namespace {

/** Those of a layer that have slots. */
std::vector<written_array> slot_arrays(const decode_memory& memory, std::size_t layer) {
  const layer_state& state = memory.states[layer];
  std::vector<written_array> all{
      {fmt::format("layer {}, state, slot", layer), state.ssm.as_bytes(), 0},
      {fmt::format("layer {}, scales, slot", layer), state.scale.as_bytes(), 0},
      {fmt::format("layer {}, conv state, slot", layer), state.conv.as_bytes(), 0},
      {fmt::format("layer {}, x ring, slot", layer), state.x_ring.as_bytes(), 0},
      {fmt::format("layer {}, B ring, slot", layer), state.B_ring.as_bytes(), 0},
      {fmt::format("layer {}, dt ring, slot", layer), state.dt_ring.as_bytes(), 0}};
  std::erase_if(all, [](const written_array& each) { return each.data.empty(); });
  for (written_array& each : all)
    each.row = std::ssize(each.data) / memory.slots;
  return all;
}

}  // namespace

std::vector<written_array> written_arrays(const model& model, const decode_memory& memory) {
  std::vector<written_array> all;
  if (model.checkpoint > 0)
    all.push_back({"ring cursor, slot", memory.cursor.as_bytes(), sizeof(ssugraph::ring_cursor)});
  for (std::size_t layer = 0; layer < memory.states.size(); ++layer) {
    std::ranges::move(slot_arrays(memory, layer), std::back_inserter(all));
    all.push_back({fmt::format("layer {}, residual stream behind it, row", layer),
                   memory.residual[layer + 1].as_bytes(),
                   model.d_model * std::int64_t{sizeof(bf16)}});
  }
  return all;
}

void compare_copies(const std::vector<written_array>& eager,
                    const std::vector<written_array>& replayed, std::string_view where,
                    cudaStream_t stream) {
  for (std::size_t i = 0; i < eager.size(); ++i) {
    const auto at = first_difference(eager[i].data, replayed[i].data, stream);
    if (!at) continue;
    const auto byte = [&](const written_array& array) {
      return std::to_integer<int>(download(array.data.data() + *at, 1, stream).front());
    };
    throw check_failure{fmt::format("{}: {} {}, byte {}: {:#04x} by replay, {:#04x} by run_eager",
                                    where, eager[i].name, *at / eager[i].row, *at % eager[i].row,
                                    byte(replayed[i]), byte(eager[i]))};
  }
}

idle_slots::idle_slots(const decode_memory& memory, cudaStream_t stream)
    : memory_{memory}, stream_{stream}, before_{read()} {}

void idle_slots::check_untouched() const {
  const std::vector<idle_slot> now = read();
  for (std::size_t i = 0; i < now.size(); ++i) {
    if (now[i].bytes == before_[i].bytes) continue;
    throw check_failure{
        fmt::format("{} {} is nobody's, but it changed", now[i].array, now[i].slot)};
  }
}

std::vector<idle_slots::idle_slot> idle_slots::read() const {
  std::vector<idle_slot> found;
  for (std::size_t layer = 0; layer < memory_.states.size(); ++layer) {
    for (const written_array& array : slot_arrays(memory_, layer)) {
      for (const std::int64_t slot : {0, memory_.slots - 1}) {
        const std::byte* first = array.data.data() + slot * array.row;
        found.push_back({array.name, slot, download(first, array.row, stream_)});
      }
    }
  }
  return found;
}

}  // namespace decode_block
