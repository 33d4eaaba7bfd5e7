#include "tests/support/ssu_case.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

/** What a backend does not declare never reaches it, and what nobody has is refused by everybody.
 */
namespace ssugraph::test {
namespace {

constexpr std::array scaled_dtypes{dtype::int8, dtype::int16, dtype::float8_e4m3};

/** A backend on the host that would take everything that it is asked for. */
class eager_backend : public mamba_ssu_backend {
 public:
  explicit eager_backend(std::string name) : name_{std::move(name)} {}

  backend_features has = features_of_0_1();

  std::string name() const override { return name_; }
  backend_features features() const override { return has; }
  support supports(const ssu_problem& problem) const override {
    return problem.device.is_host() ? support{} : support{"it runs on the host"};
  }
  ssu_plan plan(const ssu_problem& problem, std::int64_t sequences,
                const std::string&) const override {
    ssu_plan plan;
    plan.backend = name_;
    plan.algorithm = "none";
    plan.sequences = sequences;
    plan.problem = problem;
    plan.zeroes_null_rows = false;
    return plan;
  }
  void enqueue(const ssu_plan&, const ssu_args&, std::int64_t, stream_handle) const override {}

 private:
  std::string name_;
};

/** The first reason that a dispatch of `backend` gives for not planning `args`; empty if it does.
 */
std::string refusal_of(const std::string& backend, const ssu_args& args, mamba_config config = {}) {
  config.backend = backend;
  try {
    static_cast<void>(ssu_dispatch{config}.plan(args));
  } catch (const unsupported& error) {
    EXPECT_EQ(error.refusals().front().backend, backend);
    return error.refusals().front().reason;
  }
  return {};
}

ssu_args args_of(ssu_case& test) {
  return first_sequences(test.args_at(test.memory.data()), test.batch);
}

class declared_features : public testing::Test {
 protected:
  static std::shared_ptr<eager_backend> backend() {
    static const auto registered = [] {
      auto made = std::make_shared<eager_backend>("declaring");
      register_mamba_ssu_backend(made);
      return made;
    }();
    registered->has = features_of_0_1();
    registered->has.features.insert(ssu_feature::dst_indices_alone);
    return registered;
  }
};

TEST_F(declared_features, are_what_a_problem_needs_or_it_is_refused_by_name) {
  const std::vector<std::pair<ssu_feature, std::function<void(case_spec&)>>> needing{
      {ssu_feature::untied, [](case_spec& spec) { spec.tied = false; }},
      {ssu_feature::varlen,
       [](case_spec& spec) {
         spec.mode = ssu_mode::varlen;
         spec.has_cu_seqlens = true;
         spec.max_seqlen = 2;
       }},
      {ssu_feature::speculative,
       [](case_spec& spec) {
         spec.mode = ssu_mode::speculative;
         spec.max_seqlen = 2;
       }},
      {ssu_feature::dst_indices, [](case_spec& spec) { spec.has_dst = true; }},
      {ssu_feature::dst_indices_alone, [](case_spec& spec) { spec.has_dst = true; }},
      {ssu_feature::D, [](case_spec& spec) { spec.has_D = true; }},
      {ssu_feature::z, [](case_spec& spec) { spec.has_z = true; }},
      {ssu_feature::dt_bias, [](case_spec& spec) { spec.has_dt_bias = true; }},
      {ssu_feature::dt_softplus, [](case_spec& spec) { spec.dt_softplus = true; }},
      {ssu_feature::stochastic_rounding,
       [](case_spec& spec) {
         spec.state_dtype = dtype::bfloat16;
         spec.stochastic_rounding = true;
       }},
      {ssu_feature::mixed_dtypes, [](case_spec& spec) { spec.C_dtype = dtype::bfloat16; }},
      {ssu_feature::dt_limits, [](case_spec& spec) { spec.dt_max = 0.5f; }},
      {ssu_feature::dst_state, [](case_spec& spec) { spec.has_dst_state = true; }},
      {ssu_feature::out_in_place, [](case_spec& spec) { spec.out = out_place::on_x; }}};
  for (const auto& [feature, need] : needing) {
    case_spec spec;
    spec.has_D = spec.has_dt_bias = spec.dt_softplus = false;
    need(spec);
    random_engine engine{base_seed()};
    ssu_case test = make_case(spec, engine);
    ssu_args args = args_of(test);
    if (feature == ssu_feature::dst_indices_alone) args.state_batch_indices = {};
    SCOPED_TRACE(to_string(feature));
    const auto asked = backend();
    asked->has.features.insert(feature);
    EXPECT_EQ(refusal_of(asked->name(), args, test.config), "");
    asked->has.features.erase(feature);
    EXPECT_EQ(refusal_of("declaring", args, test.config),
              "it lacks the feature " + to_string(feature));
  }
}

TEST_F(declared_features, have_dtypes_by_tensor) {
  random_engine engine{base_seed()};
  case_spec spec;
  spec.state_dtype = dtype::float16;
  spec.io_dtype = dtype::bfloat16;
  spec.index_dtype = dtype::int64;
  ssu_case test = make_case(spec, engine);
  const ssu_args args = args_of(test);
  EXPECT_EQ(refusal_of(backend()->name(), args), "");
  backend()->has.state.erase(dtype::float16);
  EXPECT_EQ(refusal_of("declaring", args), "it lacks float16 for state");
  auto fresh = backend();
  fresh->has.floats.erase(dtype::bfloat16);
  EXPECT_EQ(refusal_of("declaring", args), "it lacks bfloat16 for x");
  fresh = backend();
  fresh->has.indices.erase(dtype::int64);
  EXPECT_EQ(refusal_of("declaring", args), "it lacks int64 for state_batch_indices");
}

TEST_F(declared_features, of_0_1_are_the_default_and_hold_nothing_new) {
  class silent : public eager_backend {
   public:
    silent() : eager_backend{"silent"} {}
    backend_features features() const override { return mamba_ssu_backend::features(); }
  };
  const backend_features has = silent{}.features();
  EXPECT_EQ(has, features_of_0_1());
  for (const ssu_feature feature :
       {ssu_feature::mixed_dtypes, ssu_feature::dt_limits, ssu_feature::dst_state,
        ssu_feature::out_in_place, ssu_feature::dst_indices_alone})
    EXPECT_FALSE(has.features.contains(feature)) << to_string(feature);
  for (const dtype type : scaled_dtypes) {
    EXPECT_FALSE(has.state.contains(type));
    EXPECT_FALSE(has.floats.contains(type));
    EXPECT_FALSE(has.indices.contains(type));
  }
}

/** A backend whose plans say no more than they must. */
class terse_backend : public eager_backend {
 public:
  explicit terse_backend(std::string name) : eager_backend{std::move(name)} {}

  static inline ssu_args seen;
  std::string named;  ///< in its plans

  ssu_plan plan(const ssu_problem&, std::int64_t sequences, const std::string&) const override {
    ssu_plan plan;
    plan.backend = named;
    plan.sequences = sequences;
    return plan;
  }
  void enqueue(const ssu_plan&, const ssu_args& args, std::int64_t, stream_handle) const override {
    seen = args;
  }
};

TEST(a_users_plan, may_leave_out_what_the_library_knows) {
  const auto terse = std::make_shared<terse_backend>("terse");
  register_mamba_ssu_backend(terse);
  case_spec spec;
  spec.dt_softplus = true;
  spec.null_block_id = 2;
  random_engine engine{base_seed()};
  ssu_case test = make_case(spec, engine);
  for (const char* named : {"terse", "", "nobody's name"}) {
    terse->named = named;
    ssu_dispatch({.backend = "terse"}).selective_state_update(args_of(test), nullptr);
    EXPECT_EQ(terse_backend::seen.out, args_of(test).out) << named;
    EXPECT_TRUE(terse_backend::seen.dt_softplus);
    EXPECT_EQ(terse_backend::seen.null_block_id, 2);
    terse_backend::seen = {};
  }
}

/** They are asked for by what they name. */
TEST(candidates_of_automatic, name_the_backends_that_run_them) {
  const auto terse = std::make_shared<terse_backend>("terse candidate");
  register_mamba_ssu_backend(terse);
  random_engine engine{base_seed()};
  ssu_case test = make_case({}, engine);
  const ssu_problem problem = ssu_dispatch{{.backend = "reference"}}.plan(args_of(test)).problem;
  const ssu_dispatch automatic{{.backend = "automatic"}};
  for (const char* named : {"terse candidate", "", "nobody's name"}) {
    terse->named = named;
    std::vector<std::string> names;
    for (const ssu_plan& plan : automatic.backend().candidates(problem, 1))
      names.push_back(plan.backend);
    EXPECT_TRUE(std::ranges::count(names, "terse candidate")) << named;
    for (const std::string& name : names)
      EXPECT_NO_THROW(ssu_dispatch({.backend = name})) << named;
  }
}

TEST(a_plan_of_automatic, is_that_of_the_backend_that_it_took) {
  random_engine engine{base_seed()};
  ssu_case test = make_case({}, engine);
  const ssu_plan chosen = ssu_dispatch{{.backend = "automatic"}}.plan(args_of(test));
  EXPECT_EQ(chosen, ssu_dispatch{{.backend = chosen.backend}}.plan(args_of(test)));
}

TEST(a_library_backend, refuses_what_it_lacks_whoever_asks) {
  random_engine engine{base_seed()};
  ssu_case test = make_case({}, engine);
  const ssu_dispatch dispatch{{.backend = "reference"}};
  ssu_problem problem = dispatch.plan(args_of(test)).problem;
  EXPECT_TRUE(dispatch.backend().supports(problem));
  problem.state_dtype = dtype::int32;
  EXPECT_EQ(dispatch.backend().supports(problem).why_not, "it lacks int32 for state");
  EXPECT_THROW((void)dispatch.backend().plan(problem, 1, "auto"), unsupported);
}

/** `like`, which holds `type` now: more bytes than it needs are there. */
tensor_view with_dtype(const tensor_view& like, dtype type) {
  return {like.data(), type, like.extents(), like.strides()};
}

TEST_F(declared_features, scaled_states_are_refused_where_they_are_not_declared) {
  random_engine engine{base_seed()};
  for (const dtype type : scaled_dtypes) {
    case_spec spec;
    spec.state_dtype = type;
    ssu_case test = make_case(spec, engine);
    const std::string reason = "it lacks " + std::string{to_string(type)} + " for state";
    backend();
    EXPECT_EQ(refusal_of("declaring", args_of(test)), reason);
    EXPECT_THROW(
        ssu_dispatch({.backend = "declaring"}).selective_state_update(args_of(test), nullptr),
        unsupported);
    for (const auto& [name, answer] : backends_for(args_of(test), {})) {
      const bool is_here = !answer.why_not.starts_with("not in this build");
      if (is_here && (name == "declaring" || name == "triton")) {
        EXPECT_EQ(answer.why_not, reason) << name;
      }
      if (name == "reference") {
        EXPECT_TRUE(answer) << answer.why_not;
      }
    }
    backend()->has.state.insert(type);
    EXPECT_EQ(refusal_of("declaring", args_of(test)), "");
    backend()->has.state = {type};
    EXPECT_EQ(refusal_of("declaring", args_of(test)), "");
  }
}

TEST(scaled_dtypes_of_other_tensors, are_no_valid_arguments) {
  random_engine engine{base_seed()};
  case_spec spec;
  spec.has_z = true;
  spec.has_dst = true;
  ssu_case test = make_case(spec, engine);
  for (const dtype type : scaled_dtypes) {
    for (const auto& [name, member] : ssu_tensors) {
      ssu_args args = args_of(test);
      if (!(args.*member) || member == &ssu_args::state) continue;
      args.*member = with_dtype(args.*member, type);
      try {
        ssu_dispatch({.backend = "reference"}).selective_state_update(args, nullptr);
        FAIL() << "no error for " << name;
      } catch (const invalid_argument& error) {
        EXPECT_EQ(error.argument(), name) << error.what();
      }
    }
    std::int32_t slot = 1;
    const tensor_view slots{&slot, dtype::int32, {1}};
    EXPECT_NO_THROW(reset_slots(std::array{args_of(test).state}, slots, nullptr));
    EXPECT_NO_THROW(reset_slots(std::array{with_dtype(args_of(test).state, type)}, slots, nullptr));
    EXPECT_THROW(reset_slots(std::array{args_of(test).state}, with_dtype(slots, type), nullptr),
                 invalid_argument);
  }
}

}  // namespace
}  // namespace ssugraph::test
