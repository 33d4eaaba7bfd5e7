#include "scheduler.hpp"

#include "inputs.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

namespace serving_loop {
namespace {

trace at(const std::vector<double>& arrivals, std::int32_t generated_tokens) {
  trace requests;
  for (const double arrival : arrivals) {
    requests.push_back({seconds{arrival}, 100, generated_tokens});
  }
  return requests;
}

std::vector<std::int32_t> numbers(std::span<const sequence> running) {
  std::vector<std::int32_t> result;
  for (const sequence& each : running)
    result.push_back(each.request);
  return result;
}

using requests_of_step = std::vector<std::int32_t>;

TEST(scheduler, queues_first_in_first_out) {
  const trace requests = at({0, 0, 0, 0}, 2);
  scheduler schedule{requests, {.max_batch = 3}};
  EXPECT_EQ(numbers(schedule.begin_step()), (requests_of_step{0, 1, 2}));
  EXPECT_EQ(schedule.started().size(), 3);
  EXPECT_EQ(schedule.queued(), 1);
  schedule.end_step();
  EXPECT_EQ(numbers(schedule.begin_step()), (requests_of_step{0, 1, 2}));
  EXPECT_TRUE(schedule.started().empty());
  schedule.end_step();
  EXPECT_EQ(numbers(schedule.begin_step()), requests_of_step{3});
  EXPECT_EQ(schedule.started().size(), 1);
  EXPECT_EQ(schedule.queued(), 0);
  schedule.end_step();
  schedule.begin_step();
  schedule.end_step();
  EXPECT_TRUE(schedule.begin_step().empty());
  EXPECT_EQ(schedule.tokens(), 8);
}

TEST(scheduler, lets_in_who_has_arrived_and_skips_idle_time) {
  const trace requests = at({0, 0.5, 60}, 2);
  scheduler schedule{requests, {.step_time = seconds{0.1}, .speedup = 5}};
  EXPECT_EQ(numbers(schedule.begin_step()), requests_of_step{0});
  schedule.end_step();
  EXPECT_EQ(numbers(schedule.begin_step()), (requests_of_step{0, 1}));
  schedule.end_step();
  EXPECT_EQ(numbers(schedule.begin_step()), requests_of_step{1});
  schedule.end_step();
  EXPECT_EQ(numbers(schedule.begin_step()), requests_of_step{2});
  EXPECT_EQ(schedule.now(), seconds{12});
}

TEST(scheduler, owns_disjoint_slots_beside_the_null_block) {
  const trace requests = make_poisson_trace(3);
  const schedule_options options{.max_batch = 7, .tokens = 4, .slots = 4};
  scheduler schedule{requests, options};
  for (auto running = schedule.begin_step(); !running.empty(); running = schedule.begin_step()) {
    ASSERT_LE(running.size(), 7);
    std::set<std::int32_t> slots;
    for (const sequence& each : running) {
      for (std::int32_t token = 0; token < 4; ++token)
        slots.insert(each.first_slot + token);
    }
    ASSERT_EQ(slots.size(), 4 * running.size());
    ASSERT_GE(*slots.begin(), 1);
    ASSERT_LE(*slots.rbegin(), 28);
    schedule.end_step();
  }
}

TEST(scheduler, advances_by_the_tokens_accepted) {
  const trace requests = at({0}, 50);
  scheduler schedule{requests, {.tokens = 4}};
  std::int32_t position = 100;
  std::int32_t accepted = 1;
  for (auto running = schedule.begin_step(); !running.empty(); running = schedule.begin_step()) {
    ASSERT_EQ(running.front().position, position);
    ASSERT_EQ(running.front().accepted, accepted);
    schedule.end_step();
    accepted = accepted_tokens(0, position, 4);
    ASSERT_GE(accepted, 1);
    ASSERT_LE(accepted, 4);
    position += accepted;
  }
  EXPECT_GE(position, 150);
  EXPECT_EQ(schedule.tokens(), 50);
}

TEST(scheduler, generates_every_token_of_a_trace) {
  const trace requests = make_poisson_trace(4);
  std::int64_t expected = 0;
  for (const request& each : requests)
    expected += each.generated_tokens;
  for (const std::int32_t tokens : {1, 3}) {
    scheduler schedule{requests, {.tokens = tokens}};
    while (!schedule.begin_step().empty())
      schedule.end_step();
    EXPECT_EQ(schedule.tokens(), expected);
  }
}

TEST(inputs, are_multiples_of_1_128_in_all_of_their_range) {
  std::set<float> values;
  for (std::int32_t element = 0; element < 10000; ++element) {
    values.insert(input_value(5, 17, 2, element));
  }
  EXPECT_EQ(values.size(), 256);
  EXPECT_EQ(*values.begin(), -1);
  EXPECT_EQ(*values.rbegin(), 127.0F / 128);
  EXPECT_NE(input_value(5, 17, 2, 0), input_value(5, 18, 2, 0));
}

}  // namespace
}  // namespace serving_loop
