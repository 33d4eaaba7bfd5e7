#include "tests/support/execution.hpp"
#include "tests/support/float_format.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace ssugraph::test {
namespace {

ssu_case rounding_case() {
  case_spec spec;
  spec.state_dtype = dtype::bfloat16;
  spec.stochastic_rounding = true;
  random_engine engine{base_seed()};
  return make_case(spec, engine);
}

ssu_args without_seed(ssu_args args) {
  args.rand_seed = {};
  return args;
}

mamba_config rounding_config() {
  return {.backend = "reference", .stochastic_rounding = true};
}

/** Memory after one call that binds `seed`. */
arena after_seed(const ssu_case& test, std::int64_t seed) {
  arena memory = test.memory;
  const ssu_args args = test.args_at(memory.data());
  store_index(args.rand_seed.data(), dtype::int64, seed);
  ssu_dispatch dispatch{rounding_config()};
  dispatch.selective_state_update(args, nullptr);
  store_index(args.rand_seed.data(), dtype::int64, test.seed());
  return memory;
}

TEST(ssu_dispatch, draws_its_own_seeds_in_order) {
  const ssu_case test = rounding_case();
  ssu_dispatch dispatch{rounding_config(), 42};
  EXPECT_EQ(dispatch.random_state(), (random_state{42, 0}));
  for (std::uint64_t n = 0; n < 4; ++n) {
    arena memory = test.memory;
    dispatch.selective_state_update(without_seed(test.args_at(memory.data())), nullptr);
    EXPECT_EQ(memory, after_seed(test, seed_draw(42, n))) << "draw " << n;
    EXPECT_EQ(dispatch.random_state(), (random_state{42, n + 1}));
  }
  EXPECT_NE(after_seed(test, seed_draw(42, 0)), after_seed(test, seed_draw(42, 1)));
}

TEST(ssu_dispatch, continues_from_a_restored_random_state) {
  const ssu_case test = rounding_case();
  const auto run = [&](ssu_dispatch& dispatch) {
    arena memory = test.memory;
    dispatch.selective_state_update(without_seed(test.args_at(memory.data())), nullptr);
    return memory;
  };
  ssu_dispatch first{rounding_config(), 5};
  run(first);
  const random_state saved = first.random_state();
  const arena continued = run(first);
  ssu_dispatch second{rounding_config(), 99};
  second.set_random_state(saved);
  EXPECT_EQ(run(second), continued);
  EXPECT_EQ(second.random_state(), first.random_state());
}

TEST(ssu_dispatch, draws_only_what_it_needs) {
  ssu_case test = rounding_case();
  const ssu_args args = test.args_at(test.memory.data());
  ssu_dispatch rounding{rounding_config(), 7};
  rounding.selective_state_update(args, nullptr);
  EXPECT_EQ(rounding.random_state().next_draw, 0u) << "the call bound its seed";
  rounding.selective_state_update(first_sequences(without_seed(args), 0), nullptr);
  EXPECT_EQ(rounding.random_state().next_draw, 0u) << "the batch was empty";
  ssu_args bad = without_seed(args);
  bad.x = {};
  EXPECT_THROW(rounding.selective_state_update(bad, nullptr), invalid_argument);
  EXPECT_EQ(rounding.random_state().next_draw, 0u) << "the call was refused";
  ssu_dispatch nearest{{.backend = "reference"}, 7};
  nearest.selective_state_update(without_seed(args), nullptr);
  EXPECT_EQ(nearest.random_state().next_draw, 0u) << "nothing was rounded stochastically";
}

TEST(ssu_dispatch, an_empty_batch_changes_nothing) {
  ssu_case test = rounding_case();
  const arena before = test.memory;
  ssu_dispatch dispatch{rounding_config()};
  dispatch.selective_state_update(first_sequences(test.args_at(test.memory.data()), 0), nullptr);
  EXPECT_EQ(test.memory, before);
}

TEST(ssu_dispatch, threads_share_its_seed_stream) {
  constexpr int threads = 4;
  constexpr int calls = 50;
  ssu_dispatch dispatch{rounding_config(), 3};
  std::vector<std::thread> workers;
  for (int i = 0; i < threads; ++i) {
    workers.emplace_back([&dispatch] {
      ssu_case test = rounding_case();
      const ssu_args args = without_seed(test.args_at(test.memory.data()));
      for (int call = 0; call < calls; ++call)
        dispatch.selective_state_update(args, nullptr);
    });
  }
  for (std::thread& worker : workers)
    worker.join();
  EXPECT_EQ(dispatch.random_state(), (random_state{3, threads * calls}));
}

TEST(ssu_dispatch, all_64_bits_of_a_bound_seed_count) {
  const ssu_case test = rounding_case();
  const arena low = after_seed(test, 5);
  EXPECT_NE(low, after_seed(test, (std::int64_t{1} << 32) + 5));
  EXPECT_NE(low, after_seed(test, -5));
  EXPECT_EQ(low, after_seed(test, 5));
}

TEST(ssu_dispatch, plans_are_comparable_and_name_their_backend) {
  ssu_case test = rounding_case();
  const ssu_dispatch dispatch{rounding_config()};
  const ssu_args args = test.args_at(test.memory.data());
  const ssu_plan plan = dispatch.plan(args);
  EXPECT_EQ(plan.backend, "reference");
  EXPECT_EQ(plan.sequences, 3);
  EXPECT_TRUE(plan.zeroes_null_rows);
  EXPECT_EQ(plan, dispatch.plan(args));
  EXPECT_NE(plan, dispatch.plan(first_sequences(args, 2)));
  EXPECT_NE(to_string(plan).find("reference"), std::string::npos);
}

TEST(default_backend, is_chosen_once_for_the_process) {
  EXPECT_THROW((void)get_mamba_ssu_backend(), invalid_state);
  ssu_case test = rounding_case();
  const ssu_args args = test.args_at(test.memory.data());
  const arena before = test.memory;
  EXPECT_THROW(selective_state_update(args, nullptr), invalid_state);
  EXPECT_EQ(test.memory, before);

  const auto first = initialize_mamba_ssu_backend(rounding_config(), 8);
  EXPECT_EQ(get_mamba_ssu_backend(), first);
  selective_state_update(without_seed(args), nullptr);
  EXPECT_EQ(first->random_state(), (random_state{8, 1}));

  const auto second = initialize_mamba_ssu_backend({.backend = "reference"});
  EXPECT_EQ(get_mamba_ssu_backend(), second);
  EXPECT_NE(first, second);
  EXPECT_THROW(initialize_mamba_ssu_backend({.backend = "none"}), invalid_argument);
  EXPECT_EQ(get_mamba_ssu_backend(), second);
}

}  // namespace
}  // namespace ssugraph::test
