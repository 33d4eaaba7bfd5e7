#pragma once

#include "lib/core/host_device.hpp"
#include "lib/random/philox.hpp"
#include "lib/step/ring.hpp"
#include "lib/step/sequence.hpp"
#include "lib/step/worker.hpp"

#include <ssugraph/random.hpp>
#include <ssugraph/rings.hpp>

#include <cstddef>
#include <cstdint>

/**
 * The first node of every graph: it draws the seeds of the replay, advances the random state,
 * counts what is live, writes the lane's padded copies of the index and count tensors, and goes on
 * with the cursors of rings. One source for the kernel and the host.
 */
namespace ssugraph::detail {

/** How a copy is padded behind the live batch. */
enum class padding : std::uint8_t {
  null_slots,  ///< with the null block
  no_slots,    ///< with -1, which the null block becomes, too
  identity,    ///< no source: sequence i gets slot i, padded ones -1
  one_token,   ///< with 1 accepted token
  last_bound,  ///< with cu_seqlens[batch]: empty sequences
  null_plans,  ///< with plans of null sequences
};

/** One index or count tensor and its dense, padded copy. */
struct copy_job {
  index_tensor source;
  void* copy;  ///< as wide
  std::int64_t columns;
  std::int64_t null_block_id;
  padding pad;

  /** The same copy, wherever it lies. */
  [[nodiscard]] bool same_copy(const copy_job& other) const {
    return source == other.source && columns == other.columns &&
           null_block_id == other.null_block_id && pad == other.pad;
  }
};

/** One cursor, however many layers share it, and what they do with each sequence. All but `plan` is
 *  of the user's tensors: no block waits for the copies of another. */
struct ring_job {
  ring_rule ring;
  sequence_rule sequences;
  ring_plan_row* plan;  ///< a row a sequence of the bucket

  /** The same plan, wherever it lies. */
  [[nodiscard]] bool same_plan(const ring_job& other) const {
    return ring == other.ring && sequences == other.sequences;
  }
};

struct live_counts {
  std::int32_t sequences;
  std::int32_t rows;       ///< of these, from
  std::int32_t first_row;  ///< on
};

struct prologue_params {
  random_state* random;
  std::int64_t* seeds;
  std::int64_t seed_count;
  bool has_keyed_seeds;  ///< as many seeds more behind them, the same in every replay
  live_counts* counts;
  const copy_job* jobs;
  std::int32_t job_count;
  const ring_job* rings;
  std::int32_t ring_count;
  std::int32_t
      bounds_job;  ///< the job whose cu_seqlens count the live rows; -1: one row a sequence
  const std::int32_t* live_source;  ///< where the batch is read; null: it is `live`
  std::int32_t live;
  std::int32_t bucket;
  std::int64_t rows;  ///< of the bucket
};

/** The batch, from 0 to the bucket. */
SSUGRAPH_HOST_DEVICE inline std::int32_t live_batch(const prologue_params& p) {
  const std::int32_t live = p.live_source == nullptr ? p.live : *p.live_source;
  return live < 0 ? 0 : live > p.bucket ? p.bucket : live;
}

SSUGRAPH_HOST_DEVICE inline std::int64_t padded_value(const copy_job& job, std::int64_t live,
                                                      std::int64_t row, std::int64_t column) {
  switch (job.pad) {
    case padding::null_slots:
      return row < live ? load_index(job.source, row, column) : job.null_block_id;
    case padding::no_slots: {
      const std::int64_t slot = row < live ? load_index(job.source, row, column) : no_slot;
      return slot == job.null_block_id ? no_slot : slot;
    }
    case padding::identity:
      return row < live ? row : -1;
    case padding::one_token:
      return row < live ? load_index(job.source, row, column) : 1;
    case padding::last_bound:
      // Without a live sequence nothing of the user's is read.
      return live == 0 ? 0 : load_index(job.source, row < live ? row : live, column);
    case padding::null_plans: {
      constexpr std::int64_t slot = offsetof(ring_plan_row, slot) / sizeof(std::int32_t);
      return row < live ? load_index(job.source, row, column) : column == slot ? no_slot : 0;
    }
  }
  return 0;
}

SSUGRAPH_HOST_DEVICE inline void write_copy(const prologue_params& p, const copy_job& job,
                                            worker w) {
  const std::int64_t live = live_batch(p);
  const std::int64_t rows = p.bucket + (job.pad == padding::last_bound ? 1 : 0);
  for (std::int64_t i = w.index; i < rows * job.columns; i += w.count) {
    const std::int64_t value = padded_value(job, live, i / job.columns, i % job.columns);
    if (job.source.wide) {
      static_cast<std::int64_t*>(job.copy)[i] = value;
    } else {
      static_cast<std::int32_t*>(job.copy)[i] = static_cast<std::int32_t>(value);
    }
  }
}

SSUGRAPH_HOST_DEVICE inline void write_plan(const prologue_params& p, const ring_job& job,
                                            worker w) {
  const std::int64_t live = live_batch(p);
  sequence_rule sequences = job.sequences;
  sequences.rows = p.rows;
  for (std::int64_t i = w.index; i < p.bucket; i += w.count)
    job.plan[i] = i < live ? advance_ring(job.ring, sequences, i) : ring_plan_row{};
}

SSUGRAPH_HOST_DEVICE inline void draw_seeds(const prologue_params& p, worker w) {
  for (std::int64_t c = w.index; c < p.seed_count; c += w.count) {
    const auto consumer = static_cast<std::uint64_t>(c);
    p.seeds[c] = draw_seed(p.random->seed, p.random->next_draw + consumer);
    if (p.has_keyed_seeds) p.seeds[p.seed_count + c] = draw_seed(p.random->seed, consumer);
  }
}

/** By one worker, after every seed is drawn. */
SSUGRAPH_HOST_DEVICE inline void advance(const prologue_params& p) {
  p.random->next_draw += static_cast<std::uint64_t>(p.seed_count);
  const std::int32_t live = live_batch(p);
  std::int64_t begin = 0;
  std::int64_t end = live;
  if (p.bounds_job >= 0) {
    begin = padded_value(p.jobs[p.bounds_job], live, 0, 0);
    end = padded_value(p.jobs[p.bounds_job], live, live, 0);
  }
  *p.counts = {live, static_cast<std::int32_t>(end - begin), static_cast<std::int32_t>(begin)};
}

}  // namespace ssugraph::detail
