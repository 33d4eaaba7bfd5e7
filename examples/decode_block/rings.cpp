#include "memory.hpp"

#include <ssugraph/rings.hpp>

#include <cmath>
#include <cstddef>
#include <vector>

namespace decode_block {
namespace {

/** Adds the input of a ring row to the state of a head; of (rows, dim) x and (rows, dstate) B. */
void add_row(const model& shape, float A, float dt, const bf16* x, const bf16* B, float* state) {
  const double decay = std::exp(double{A} * double{dt});
  for (std::int64_t d = 0; d < shape.dim; ++d) {
    const double step = double{dt} * static_cast<double>(__bfloat162float(x[d]));
    for (std::int64_t n = 0; n < shape.dstate; ++n) {
      float& h = state[d * shape.dstate + n];
      h = static_cast<float>(double{h} * decay +
                             step * static_cast<double>(__bfloat162float(B[n])));
    }
  }
}

}  // namespace

void spread_cursors(const model& model, const decode_memory& memory, cudaStream_t stream) {
  std::vector<ssugraph::ring_cursor> cursors;
  cursors.reserve(static_cast<std::size_t>(memory.slots));
  for (std::int32_t slot = 0; slot < memory.slots; ++slot)
    cursors.push_back({.count = slot % model.checkpoint});
  upload(memory.cursor, cursors, stream);
  check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
}

void add_ring(const model& model, const device_array<float>& A, const decode_memory& memory,
              std::size_t layer, std::int64_t slot, std::vector<float>& state,
              cudaStream_t stream) {
  const layer_state& from = memory.states[layer];
  const std::int64_t rows = model.ring_rows();
  const auto [start, count, pending, position] = download(memory.cursor, slot, 1, stream).front();
  const std::int64_t heads_per_group = model.nheads / model.ngroups;
  const auto decays = download(A, stream);
  const auto x = download(from.x_ring, slot * rows * model.inner(), rows * model.inner(), stream);
  const auto B = download(from.B_ring, slot * rows * model.group_inputs(),
                          rows * model.group_inputs(), stream);
  const auto dt = download(from.dt_ring, slot * rows * model.nheads, rows * model.nheads, stream);
  for (std::int64_t i = 0; i < count + pending; ++i) {
    const std::int64_t row = (start + i) % rows;
    for (std::int64_t head = 0; head < model.nheads; ++head) {
      const std::int64_t of_head = head * rows + row;
      const std::int64_t of_group = head / heads_per_group * rows + row;
      add_row(model, decays[head], dt[of_head], x.data() + of_head * model.dim,
              B.data() + of_group * model.dstate, state.data() + head * model.dim * model.dstate);
    }
  }
}

}  // namespace decode_block
