/**
 * One selective state update without a graph: bind the tensors, call, and compare with the formula.
 */
#include "toy.hpp"

#include <ssugraph/dispatch.hpp>
#include <ssugraph/error.hpp>
#include <ssugraph/ssu.hpp>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>

namespace {

using ssugraph::dtype;

constexpr std::int64_t batch = 3;
constexpr std::int64_t slots = 5;
constexpr std::int64_t nheads = 2;
constexpr std::int64_t dim = 4;
constexpr std::int64_t dstate = 16;

/** Everything belongs to the caller; an `ssu_args` only points to it. */
struct tensors {
  toy::array<float> state{slots * nheads * dim * dstate};
  toy::array<float> x{batch * nheads * dim};
  toy::array<float> dt{batch * nheads};  // one a head, as in Mamba-2
  toy::array<float> A{nheads};
  toy::array<float> B{batch * dstate};
  toy::array<float> C{batch * dstate};
  toy::array<float> out{batch * nheads * dim};
  toy::array<std::int32_t> slot_of{batch};
};

ssugraph::ssu_args bind(const tensors& t) {
  ssugraph::ssu_args args;
  args.state = {t.state.data(), dtype::float32, {slots, nheads, dim, dstate}};
  args.x = {t.x.data(), dtype::float32, {batch, nheads, dim}};
  // A stride of 0 is a broadcast: all rows of a head share dt, all elements share A.
  args.dt = {t.dt.data(), dtype::float32, {batch, nheads, dim}, {nheads, 1, 0}};
  args.A = {t.A.data(), dtype::float32, {nheads, dim, dstate}, {1, 0, 0}};
  args.B = {t.B.data(), dtype::float32, {batch, 1, dstate}};
  args.C = {t.C.data(), dtype::float32, {batch, 1, dstate}};
  args.out = {t.out.data(), dtype::float32, {batch, nheads, dim}};
  args.state_batch_indices = {t.slot_of.data(), dtype::int32, {batch}};
  return args;
}

/** The update of one row of the state, as the head of ssugraph/ssu.hpp has it. */
double row_by_hand(const tensors& t, std::int64_t sequence, std::int64_t head, std::int64_t d,
                   float* h) {
  const double dt = t.dt[sequence * nheads + head];
  const double x = t.x[(sequence * nheads + head) * dim + d];
  double out = 0;
  for (std::int64_t n = 0; n < dstate; ++n) {
    const double updated = h[n] * std::exp(t.A[head] * dt) + dt * x * t.B[sequence * dstate + n];
    h[n] = static_cast<float>(updated);
    out += updated * t.C[sequence * dstate + n];
  }
  return out;
}

void run() {
  tensors t;
  t.state.fill(-1, 1, 1);
  t.x.fill(-1, 1, 2);
  t.dt.fill(0.1f, 1, 3);
  t.A.fill(-1, -0.1f, 4);
  t.B.fill(-1, 1, 5);
  t.C.fill(-1, 1, 6);
  t.slot_of[0] = 4;
  t.slot_of[1] = 0;  // the null block: no state, and zero rows of out
  t.slot_of[2] = 2;
  const toy::array<float> by_hand = t.state.copy();

  const toy::stream stream;
  ssugraph::initialize_mamba_ssu_backend({.backend = toy::backend()});
  ssugraph::selective_state_update(bind(t), stream.get());
  stream.wait();

  for (std::int64_t i = 0; i < batch * nheads * dim; ++i) {
    const std::int64_t sequence = i / (nheads * dim);
    const std::int64_t slot = t.slot_of[sequence];
    const std::int64_t row = slot * nheads * dim + i % (nheads * dim);
    const double expected =
        slot == 0 ? 0 : row_by_hand(t, sequence, i / dim % nheads, i % dim, &by_hand[row * dstate]);
    toy::expect(std::abs(t.out[i] - expected) < 1e-5, "out is what the formula says");
  }
  for (std::int64_t i = 0; i < slots * nheads * dim * dstate; ++i)
    toy::expect(std::abs(t.state[i] - by_hand[i]) < 1e-5f, "so is the state");
}

}  // namespace

int main() {
  try {
    run();
    std::cout << "eager_call: as the formula says, by backend " << toy::backend() << '\n';
  } catch (const std::exception& error) {
    std::cerr << "eager_call: " << error.what() << '\n';
    return EXIT_FAILURE;
  }
}
