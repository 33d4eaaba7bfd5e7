#include "profiling/timeline/summary.hpp"

#include "profiling/quantile.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace ssugraph::timeline {
namespace {

double us(std::uint64_t nanoseconds) {
  return 1e-3 * static_cast<double>(nanoseconds);
}

/** What is summed as one call: a step within one launch of a graph. */
using call_key = std::tuple<std::uint32_t, std::int32_t, std::string>;

call_key call_of(const attributed_event& event) {
  return {event.event->correlation, event.owner->bucket, event.owner->step};
}

/** What a row of the table is of, in the order of the rows. */
struct row_key {
  kinship kin = kinship::outside;
  std::int32_t bucket = 0;
  std::size_t place = 0;
  std::string step = {};

  auto operator<=>(const row_key&) const = default;
};

row_key row_of(const attributed_event& event) {
  if (event.kin != kinship::step) return {.kin = event.kin};
  return {event.kin, event.owner->bucket, event.owner->place, event.owner->step};
}

struct row_sums {
  std::map<std::uint32_t, std::uint64_t> calls;  ///< exclusive ns by launch
  std::map<std::uint32_t, std::int64_t> bytes;   ///< by launch
};

summary_row finished(const row_key& key, const row_sums& sums, double span_us) {
  summary_row row{key.kin == kinship::step ? std::to_string(key.bucket) : "",
                  key.kin == kinship::step           ? key.step
                  : key.kin == kinship::unattributed ? "(unattributed)"
                                                     : "(outside graphs)"};
  std::vector<double> times;
  for (const auto& [launch, exclusive] : sums.calls) {
    times.push_back(us(exclusive));
    row.exclusive_us += times.back();
  }
  std::ranges::sort(times);
  row.calls = times.size();
  row.median_us = profiling::quantile(times, 0.5);
  row.p99_us = profiling::quantile(times, 0.99);
  row.share = span_us > 0.0 ? row.exclusive_us / span_us : 0.0;
  std::int64_t bytes = 0;
  for (const auto& [launch, moved] : sums.bytes)
    bytes += moved;
  if (row.exclusive_us > 0.0) row.gb_s = 1e-3 * static_cast<double>(bytes) / row.exclusive_us;
  return row;
}

}  // namespace

std::vector<std::uint64_t> exclusive_times(std::span<const interval> intervals) {
  std::vector<std::uint64_t> times;
  std::uint64_t covered_to = 0;
  for (const interval& one : intervals) {
    const std::uint64_t from = std::max(one.begin, covered_to);
    times.push_back(one.end > from ? one.end - from : 0);
    covered_to = std::max(covered_to, one.end);
  }
  return times;
}

std::vector<attributed_event> attribute(const recording& recorded) {
  std::map<std::uint32_t, std::optional<std::int64_t>> batches;
  for (const host_launch& launch : recorded.launches) {
    batches[launch.correlation] = launch.batch;
    batches[launch.inner_correlation] = launch.batch;
  }

  std::vector<attributed_event> events;
  for (const device_event& event : recorded.device) {
    attributed_event known{&event};
    if (event.graph != 0 || event.node != 0) {
      known.owner = event.owner.get();
      known.kin = known.owner != nullptr ? kinship::step : kinship::unattributed;
    }
    if (const auto launch = batches.find(event.correlation); launch != batches.end())
      known.batch = launch->second;
    if (known.owner != nullptr && known.owner->bytes > 0) {
      const std::int64_t padded = known.owner->bucket - known.batch.value_or(known.owner->bucket);
      known.bytes = known.owner->bytes - padded * known.owner->bytes_a_sequence;
    }
    events.push_back(known);
  }
  std::ranges::stable_sort(events, {}, [](const attributed_event& one) {
    return std::tuple{one.event->device, one.event->time.begin, one.event->time.end};
  });

  std::map<std::uint32_t, std::vector<interval>> times;
  for (const attributed_event& one : events)
    times[one.event->device].push_back(one.event->time);
  auto next = events.begin();
  std::map<call_key, std::uint64_t> calls;
  for (const auto& [device, intervals] : times) {
    for (const std::uint64_t exclusive : exclusive_times(intervals)) {
      next->exclusive = exclusive;
      if (next->kin == kinship::step) calls[call_of(*next)] += exclusive;
      ++next;
    }
  }
  for (attributed_event& one : events)
    one.step_exclusive = one.kin == kinship::step ? calls[call_of(one)] : one.exclusive;
  return events;
}

summary summarise(std::span<const attributed_event> events) {
  summary result;
  std::map<row_key, row_sums> rows;
  const device_event* last = nullptr;  // the one that ended last on its device
  for (const attributed_event& one : events) {
    const device_event& event = *one.event;
    if (last == nullptr || last->device != event.device) {
      last = &event;
      result.span_us += us(event.time.end - event.time.begin);
    } else if (event.time.end > last->time.end) {
      if (event.time.begin > last->time.end) {
        const bool one_launch = last->graph != 0 && last->correlation == event.correlation;
        (one_launch ? result.gap_in_replays_us : result.gap_us) +=
            us(event.time.begin - last->time.end);
      }
      result.span_us += us(event.time.end - last->time.end);
      last = &event;
    }
    row_sums& sums = rows[row_of(one)];
    sums.calls[event.correlation] += one.exclusive;
    sums.bytes[event.correlation] = one.bytes;
    ++(one.kin == kinship::step           ? result.attributed
       : one.kin == kinship::unattributed ? result.unattributed
                                          : result.outside);
  }
  for (const auto& [key, sums] : rows)
    result.rows.push_back(finished(key, sums, result.span_us));
  return result;
}

std::string to_text(const summary& summary, const recording& recorded) {
  std::size_t width = std::string_view{"gap outside replays"}.size();
  for (const summary_row& row : summary.rows)
    width = std::max(width, row.step.size());
  std::string text =
      fmt::format("{:>6}  {:<{}}  {:>7} {:>10} {:>10} {:>12} {:>7} {:>8} {:>9}\n", "bucket", "step",
                  width, "calls", "median us", "p99 us", "total us", "share", "GB/s", "of limit");
  const auto line = [&](const std::string& bucket, const std::string& step,
                        const std::string& calls, double total_us, const std::string& rates) {
    const double share = summary.span_us > 0.0 ? 100.0 * total_us / summary.span_us : 0.0;
    text += fmt::format("{:>6}  {:<{}}  {} {:>12.1f} {:>6.1f}%{}\n", bucket, step, width, calls,
                        total_us, share, rates);
  };
  double sum_us = summary.gap_in_replays_us + summary.gap_us;
  for (const summary_row& row : summary.rows) {
    std::string rates;
    if (row.gb_s > 0.0) rates = fmt::format(" {:>8.0f}", row.gb_s);
    if (row.gb_s > 0.0 && recorded.limit_gb_s > 0.0)
      rates += fmt::format(" {:>8.1f}%", 100.0 * row.gb_s / recorded.limit_gb_s);
    line(row.bucket, row.step,
         fmt::format("{:>7} {:>10.2f} {:>10.2f}", row.calls, row.median_us, row.p99_us),
         row.exclusive_us, rates);
    sum_us += row.exclusive_us;
  }
  const std::string no_calls(7 + 1 + 10 + 1 + 10, ' ');
  line("", "gap in replays", no_calls, summary.gap_in_replays_us, "");
  line("", "gap outside replays", no_calls, summary.gap_us, "");
  line("", "sum", no_calls, sum_us, "");
  text += fmt::format(
      "\nTimes are of calls, a step in one replay each, and exclusive: where kernels overlap, the "
      "time is the earlier one's.\nFrom the first kernel to the last: {:.1f} us. Kernels, copies "
      "and memsets: {} of steps, {} of graphs but unattributed, {} outside graphs; {} dropped.\n",
      summary.span_us, summary.attributed, summary.unattributed, summary.outside, recorded.dropped);
  if (recorded.limit_gb_s > 0.0)
    text += fmt::format("The limit is {:.0f} GB/s.\n", recorded.limit_gb_s);
  return text;
}

}  // namespace ssugraph::timeline
