#include "profiling/bench/sequences.hpp"

#include "lib/core/cuda_check.hpp"

#include <algorithm>
#include <numeric>
#include <random>
#include <span>
#include <vector>

namespace bench {
namespace {

using ssugraph::dtype;
using ssugraph::detail::check_cuda;

std::int64_t up(std::int64_t dividend, std::int64_t divisor) {
  return (dividend + divisor - 1) / divisor;
}

std::int32_t largest_batch(const options& opts) {
  return *std::ranges::max_element(opts.batches);
}

std::vector<std::int32_t> shuffled_slots(std::int64_t slots) {
  std::vector<std::int32_t> numbers(static_cast<std::size_t>(slots - 1));
  std::iota(numbers.begin(), numbers.end(), 1);
  std::ranges::shuffle(numbers, std::mt19937{1});
  return numbers;
}

/** As drafts turn out: any number from one token to all. */
std::vector<std::int32_t> random_accepted(std::int64_t sequences, std::int64_t tokens) {
  std::mt19937 random{2};
  std::uniform_int_distribution<std::int32_t> any{1, static_cast<std::int32_t>(tokens)};
  std::vector<std::int32_t> accepted(static_cast<std::size_t>(sequences));
  std::ranges::generate(accepted, [&] { return any(random); });
  return accepted;
}

std::vector<std::int32_t> equal_bounds(std::int64_t sequences, std::int64_t tokens) {
  std::vector<std::int32_t> bounds;
  for (std::int64_t i = 0; i <= sequences; ++i)
    bounds.push_back(static_cast<std::int32_t>(i * tokens));
  return bounds;
}

}  // namespace

std::int64_t slots_for(const options& opts, const shape& s, std::int64_t cache_bytes) {
  constexpr std::int64_t caches_between_visits = 3;
  std::int64_t most = 0;
  for (const std::int32_t batch : opts.batches) {
    const std::int64_t visited = opts.live_of(batch) * opts.slots_a_sequence();
    // All launches from one visit to the next, but for that visit's own, are in between.
    const std::int64_t launches =
        1 + up(caches_between_visits * cache_bytes, visited * opts.slot_bytes(s));
    most = std::max(most, visited * up(launches, opts.layers));
  }
  return most + 1;
}

sequences::sequences(const options& opts, std::int64_t slots)
    : opts_{&opts},
      slot_count_{slots},
      max_batch_{largest_batch(opts)},
      tokens_{opts.tokens},
      slots_a_sequence_{opts.slots_a_sequence()},
      usable_slots_{static_cast<std::size_t>(slots - 1)},
      order_{upload(shuffled_slots(slots))},
      slots_{upload(
          std::vector<std::int32_t>(static_cast<std::size_t>(max_batch_ * slots_a_sequence_), 0))} {
  if (opts.mode == ssugraph::ssu_mode::speculative) {
    accepted_values_ = random_accepted(max_batch_, tokens_);
    accepted_ = upload(accepted_values_);
  }
  if (opts.has_cu_seqlens()) cu_seqlens_ = upload(equal_bounds(max_batch_, tokens_));
  if (opts.checkpoint > 0)
    cursor_ = upload(std::vector<ssugraph::ring_cursor>(static_cast<std::size_t>(slots)));
}

void sequences::bind(ssugraph::ssu_args& args) const {
  args.state_batch_indices = {slots_.get(), dtype::int32, {max_batch_}};
  if (cu_seqlens_) {
    args.cu_seqlens = {cu_seqlens_.get(), dtype::int32, {max_batch_ + 1}};
    args.max_seqlen = tokens_;
  }
  if (cursor_) {
    args.ring_cursor = {cursor_.get(), dtype::int32, {slot_count_, 4}};
    args.checkpoint_interval = opts_->checkpoint;
  }
  if (!accepted_) return;
  args.num_accepted_tokens = {accepted_.get(), dtype::int32, {max_batch_}};
  if (cursor_) return;
  args.state_batch_indices = {slots_.get(), dtype::int32, {max_batch_, slots_a_sequence_}};
}

void sequences::bind(floor_job& job) const {
  job.slots = static_cast<const std::int32_t*>(slots_.get());
  job.slots_a_sequence = slots_a_sequence_;
  if (!cursor_) {
    job.accepted = static_cast<const std::int32_t*>(accepted_.get());
    return;
  }
  job.cursors = static_cast<const ssugraph::ring_cursor*>(cursor_.get());
  job.interval = opts_->checkpoint;
}

void sequences::start(std::int32_t live) {
  first_ = 0;
  count_ = static_cast<std::size_t>(live * slots_a_sequence_);
  if (!cursor_) return;
  replay_ = 0;
  phases_.emplace(*opts_, live, std::span{accepted_values_});
  positions_ = upload(phases_->cursors());
  check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize of the positions");
}

void sequences::next(cudaStream_t stream) {
  if (first_ + count_ > usable_slots_) first_ = 0;
  check_cuda(cudaMemcpyAsync(slots_.get(), static_cast<const std::int32_t*>(order_.get()) + first_,
                             count_ * sizeof(std::int32_t), cudaMemcpyDeviceToDevice, stream),
             "cudaMemcpyAsync of the slots");
  first_ += count_;
  if (!phases_) return;
  const auto live = static_cast<std::int32_t>(count_);
  place_cursors(static_cast<const ssugraph::ring_cursor*>(positions_.get()) + replay_ * live,
                static_cast<const std::int32_t*>(slots_.get()), live,
                static_cast<ssugraph::ring_cursor*>(cursor_.get()), stream);
  replay_ = (replay_ + 1) % phases_->replays();
}

}  // namespace bench
