#include "graphs/plan/tuning_key.hpp"

#include "lib/ops/ssu/ssu_step.hpp"
#include "tests/graphs/replay.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <set>
#include <string>
#include <vector>

/** By which measurements are kept, and shared by the layers of a pipeline. */
namespace ssugraph::test {
namespace {

using detail::launch_manner;
using detail::plan_choice;

const std::vector<plan_choice> candidates{{"native", "8x128"}, {"native", "scalar"}};

/** A layer that binds every tensor. */
case_spec whole_spec() {
  case_spec spec;
  spec.mode = ssu_mode::speculative;
  spec.max_seqlen = 2;
  spec.has_cu_seqlens = spec.has_dst = spec.has_z = true;
  return spec;
}

std::string key_of(const ssu_case& layer, launch_manner manner = launch_manner::overlapping) {
  arena memory = layer.memory;
  const auto step = detail::check_ssu(without_seed(layer.args_at(memory.data())),
                                      detail::setup_ssu({}, /*on_host=*/true, layer.capacity));
  return detail::tuning_key(*step, manner, 0, candidates);
}

std::string key_of(const case_spec& spec, launch_manner manner = launch_manner::overlapping) {
  return key_of(make_layers(spec, 1).front(), manner);
}

TEST(tuning_key, tells_how_launches_follow_one_another) {
  std::set<std::string> keys;
  for (const launch_manner manner :
       {launch_manner::in_turn, launch_manner::overlapping, launch_manner::back_to_back})
    keys.insert(key_of(whole_spec(), manner));
  EXPECT_EQ(keys.size(), 3u);
}

TEST(tuning_key, tells_what_is_innermost) {
  case_spec spec = whole_spec();
  const std::string along_dstate = key_of(spec);
  spec.dim_innermost = true;
  EXPECT_NE(key_of(spec), along_dstate);
}

TEST(tuning_key, tells_a_budget_of_rows) {
  ssu_case layer = make_layers(whole_spec(), 1).front();
  const auto step = detail::check_ssu(without_seed(layer.args_at(layer.memory.data())),
                                      detail::setup_ssu({}, /*on_host=*/true, layer.capacity));
  std::set<std::string> keys;
  for (const std::int64_t budget : {0, 5, 6})
    keys.insert(detail::tuning_key(*step, launch_manner::in_turn, budget, candidates));
  EXPECT_EQ(keys.size(), 3u);
}

TEST(tuning_key, tells_the_dtype_of_every_tensor) {
  std::set<std::string> keys{key_of(whole_spec())};
  std::size_t count = 1;
  for (auto type : {&case_spec::state_dtype, &case_spec::io_dtype, &case_spec::dt_dtype,
                    &case_spec::A_dtype, &case_spec::D_dtype, &case_spec::dt_bias_dtype}) {
    case_spec spec = whole_spec();
    spec.*type = dtype::bfloat16;
    keys.insert(key_of(spec));
    EXPECT_EQ(keys.size(), ++count) << key_of(spec);
  }
  for (auto type : {&case_spec::index_dtype, &case_spec::count_dtype}) {
    case_spec spec = whole_spec();
    spec.*type = dtype::int64;
    keys.insert(key_of(spec));
    EXPECT_EQ(keys.size(), ++count) << key_of(spec);
  }
}

TEST(tuning_key, tells_scaled_states_apart) {
  std::set<std::string> keys{key_of(whole_spec())};
  for (const dtype type : {dtype::int8, dtype::int16, dtype::float8_e4m3}) {
    case_spec spec = whole_spec();
    spec.state_dtype = type;
    keys.insert(key_of(spec));
    spec.has_dst_state = true;
    keys.insert(key_of(spec));
  }
  EXPECT_EQ(keys.size(), 7u);
}

TEST(tuning_key, tells_which_tensors_are_bound) {
  std::set<std::string> keys{key_of(whole_spec())};
  std::size_t count = 1;
  for (auto bound :
       {&case_spec::has_D, &case_spec::has_z, &case_spec::has_dt_bias, &case_spec::has_dst,
        &case_spec::has_cu_seqlens, &case_spec::dt_softplus, &case_spec::tied}) {
    case_spec spec = whole_spec();
    spec.*bound = false;
    keys.insert(key_of(spec));
    EXPECT_EQ(keys.size(), ++count) << key_of(spec);
  }
}

TEST(tuning_key, is_the_same_for_layers_alike) {
  std::set<std::string> keys;
  for (const ssu_case& layer : make_layers(whole_spec(), 3))
    keys.insert(key_of(layer));
  EXPECT_EQ(keys.size(), 1u);
}

}  // namespace
}  // namespace ssugraph::test
