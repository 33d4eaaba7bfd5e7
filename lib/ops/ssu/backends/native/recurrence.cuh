#pragma once

#include "lib/device/element.cuh"
#include "lib/device/octet.hpp"
#include "lib/ops/ssu/backends/native/ssu_params.hpp"
#include "lib/ops/ssu/backends/native/tile.cuh"
#include "lib/state/codec.cuh"

#include <cstdint>

/** What a token does to the state, in fp32. */
namespace ssugraph::detail::native {

/** dt' of an own row and, tied, exp(A dt') of the head. */
struct time_step {
  float dt;
  float decay;
};

inline constexpr float log2_e = 1.44269504f;

/** 2^x to 2 units in the last place, zero below 2^-126, in one instruction where expf takes eight.
 */
__device__ inline float exp2_approximate(float x) {
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
}

__device__ inline float silu(float z) {
  return z / (1.0f + expf(-z));
}

/** The recurrence of a layer, for the rows of one thread. */
template <class V>
struct recurrence {
  const tile<V>& mine;
  const head_parameters<V>& layer;

  /** That of own row `k`, from its dt as it lies in memory. */
  __device__ time_step step_of(raw_scalar dt, int k = 0) const {
    const ssu_params& p = mine.p;
    time_step step{dt.value(p.dt.type), 0.0f};
    if (p.has_dt_bias) step.dt += layer.dt_bias[k].value(p.dt_bias.type);
    if (p.dt_softplus && step.dt <= 20.0f) step.dt = log1pf(expf(step.dt));
    step.dt = step.dt < p.dt_min ? p.dt_min : step.dt;  // a NaN stays one
    step.dt = step.dt > p.dt_max ? p.dt_max : step.dt;
    if constexpr (V::tied) step.decay = expf(layer.A.value(p.A.type) * step.dt);
    return step;
  }

  /**
   * One token: `h`, of all rows or of one at a time, becomes the new state. `token` has dt' and dt'
   * x of row r as `dt(r)`, asked for where untied, and `dt_x(r)`. Of each row, `load(r)` puts the
   * old state into `h`, and `keep(r, part)` takes what is stored of the new; `part` is this
   * thread's part of the row's sum, NaN if any of h is. The first of `sum` become the sums of the
   * own rows.
   */
  template <int Held, class Scalars, class Load, class Keep>
  __device__ void update(float decay_of_head, Scalars token, const float (&B)[V::columns],
                         const float (&C)[V::columns], float (&h)[Held][V::columns], Load load,
                         Keep keep, float (&sum)[V::rows]) const {
    static_assert(V::rows % Held == 0, "h has all rows, or as many at a time");
    float decay[V::columns];
#pragma unroll
    for (int i = 0; i < V::columns; ++i)
      decay[i] = decay_of_head;
#pragma unroll
    for (int r = 0; r < V::rows; ++r) {
      if constexpr (!V::tied) decay_of_row(r, token, decay);
      load(r);
      if constexpr (Scalars::has_scale) {
        // h has codes: they and their scale decay together.
        const float scale = token.scale(r);
        float decay_of_code[V::columns];
#pragma unroll
        for (int i = 0; i < V::columns; ++i)
          decay_of_code[i] = decay[i] * scale;
        sum[r] = update_row(decay_of_code, token.dt_x(r), B, C, h[r % Held]);
      } else {
        sum[r] = update_row(decay, token.dt_x(r), B, C, h[r % Held]);
      }
      keep(r, sum[r]);
    }
    V::sum::reduce(sum, mine.sum_lane);
  }

 private:
  /** exp(A dt') of row `r`, untied. */
  template <class Scalars>
  __device__ void decay_of_row(int r, Scalars token, float (&decay)[V::columns]) const {
    widen<io_width::any>(layer.A_rows[r], mine.p.A.type, decay);
    const float scaled = token.dt(r) * log2_e;
#pragma unroll
    for (int i = 0; i < V::columns; ++i)
      decay[i] = exp2_approximate(decay[i] * scaled);
  }

  /** h becomes h'; returns this thread's part of the sum. */
  __device__ float update_row(const float (&decay)[V::columns], float dt_x,
                              const float (&B)[V::columns], const float (&C)[V::columns],
                              float (&h)[V::columns]) const {
    using layout = typename V::layout;
    float sum = 0.0f;
    float before = 0.0f;  // the run of neighbours that `i` is in
#pragma unroll
    for (int i = 0; i < V::columns; ++i) {
      // Fused by hand, so that every variant gives the same bits.
      h[i] = __fmaf_rn(h[i], decay[i], dt_x * B[i]);
      const float more = __fmaf_rn(h[i], C[i], sum);
      sum = layout::vector || layout::holds(mine.lane, i, mine.p.dstate) ? more : sum;
      if (layout::vector && (i + 1) % layout::width == 0) {
        // Past the end of the row there is nothing to add, not even zero times infinity.
        sum = layout::holds(mine.lane, i, mine.p.dstate) ? sum : before;
        before = sum;
      }
    }
    return sum;
  }
};

}  // namespace ssugraph::detail::native
