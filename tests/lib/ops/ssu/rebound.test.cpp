#include "lib/ops/ssu/backends/planned_ssu.hpp"
#include "lib/ops/ssu/find_backend.hpp"
#include "lib/ops/ssu/problem/operands.hpp"
#include "lib/ops/ssu/problem/problem.hpp"
#include "lib/ops/ssu/resolve.hpp"
#include "lib/ops/ssu/ssu_step.hpp"
#include "tests/support/ssu_case.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/** Whether a plan takes tensors that lie elsewhere than those that it was made for. On the host, by
 *  backends of a user's. */
namespace ssugraph::test {
namespace {

constexpr std::size_t off = 4;  ///< bytes, and so no place for 16-byte accesses

/** Has kernels with 16-byte accesses and for any layout; a name tells their tile alone. */
class two_kinds : public mamba_ssu_backend {
 public:
  /** One kernel that ran. */
  struct launch {
    bool vector;
    std::string tile;
    ssu_problem problem;
  };

  std::vector<std::string> vector_tiles;
  std::vector<std::string> any_tiles;
  mutable std::vector<launch> launches;

  std::string name() const override { return "two_kinds"; }
  support supports(const ssu_problem&) const override { return {}; }
  ssu_plan plan(const ssu_problem& problem, std::int64_t sequences,
                const std::string& algorithm) const override {
    const auto& tiles = is_vector(problem) ? vector_tiles : any_tiles;
    const auto named = std::ranges::find(tiles, algorithm);
    if (algorithm != "auto" && named == tiles.end())
      throw unsupported{{{name(), "no tile " + algorithm}}};
    ssu_plan plan;
    plan.backend = name();
    plan.algorithm = algorithm == "auto" ? tiles.front() : *named;
    plan.reason = problem.misalignment;
    plan.sequences = sequences;
    plan.problem = problem;
    return plan;
  }
  void enqueue(const ssu_plan& plan, const ssu_args&, std::int64_t, stream_handle) const override {
    launches.push_back({is_vector(plan.problem), plan.algorithm, plan.problem});
  }

 private:
  static bool is_vector(const ssu_problem& problem) { return problem.misalignment.empty(); }
};

/** Answers to `auto` alone, and would rather be asked for aligned tensors only. */
class plain_answer : public two_kinds {
 public:
  bool wants_vectors = false;
  bool tells_kinds_apart = false;

  support supports(const ssu_problem& problem) const override {
    return {wants_vectors ? problem.misalignment : ""};
  }
  ssu_plan plan(const ssu_problem& problem, std::int64_t sequences,
                const std::string& algorithm) const override {
    if (algorithm != "auto") throw unsupported{{{name(), "no algorithm " + algorithm}}};
    ssu_plan plan;
    plan.algorithm = tells_kinds_apart && !problem.misalignment.empty() ? "scalar" : "rows";
    plan.sequences = sequences;
    plan.problem = problem;
    return plan;
  }
};

/** One layer on aligned tensors, and the same on tensors that are not. */
class rebound_plan : public testing::Test {
 protected:
  static ssu_case untied_case() {
    case_spec spec;
    spec.nheads = 1;
    spec.dim = 128;
    spec.dstate = 16;
    spec.tied = false;
    spec.state_dtype = dtype::bfloat16;
    spec.io_dtype = dtype::bfloat16;
    random_engine engine{base_seed()};
    return make_case(spec, engine);
  }

  static detail::bound_tensors tensors_of(ssu_case& test) {
    ssu_args args = test.args_at(test.memory.data());
    args.rand_seed = {};
    return detail::tensors_of(args);
  }
  /** The tensors of `aligned_`, but `name` as in `shifted_`. */
  detail::bound_tensors with_shifted(std::string_view name) {
    detail::bound_tensors tensors = tensors_of(aligned_);
    const std::size_t place = detail::find_operand(detail::operands_of_ssu(false), name);
    tensors[place] = tensors_of(shifted_)[place];
    return tensors;
  }

  std::shared_ptr<const detail::checked_step> step_on(
      const std::shared_ptr<const mamba_ssu_backend>& backend,
      const detail::bound_tensors& tensors) {
    const ssu_args args = detail::with_tensors(aligned_.args_at(aligned_.memory.data()), tensors);
    return detail::check_ssu(args, {{}, backend, "auto", aligned_.capacity});
  }

  ssu_case aligned_ = untied_case();
  ssu_case shifted_ = shifted(aligned_, off);
};

TEST_F(rebound_plan, of_a_user_is_told_what_it_runs_on) {
  const auto backend = std::make_shared<two_kinds>();
  backend->vector_tiles = {"64x4", "64x2"};
  backend->any_tiles = {"64x4"};
  const auto step = step_on(backend, tensors_of(aligned_));
  const auto planned = step->plan(2);
  for (const char* name : {"B", "C", "state", "A"}) {
    const auto elsewhere = step->on(with_shifted(name));
    EXPECT_EQ(elsewhere->why_not(*planned), "");
    planned->enqueue(elsewhere->traits().tensors, nullptr);
    const two_kinds::launch& ran = backend->launches.back();
    EXPECT_EQ(ran.tile, "64x4");
    EXPECT_FALSE(ran.vector) << "16-byte accesses to " << name;
    EXPECT_EQ(ran.problem.misalignment, std::string{name} + " is not 16-byte aligned");
  }
  planned->enqueue(step->traits().tensors, nullptr);
  EXPECT_TRUE(backend->launches.back().vector);
}

TEST_F(rebound_plan, of_a_user_for_any_layout_takes_aligned_tensors) {
  const auto backend = std::make_shared<two_kinds>();
  backend->vector_tiles = {"64x4"};
  backend->any_tiles = {"8x4"};
  const auto step = step_on(backend, tensors_of(shifted_));
  const auto planned = step->plan(2);
  const auto elsewhere = step->on(tensors_of(aligned_));
  EXPECT_EQ(elsewhere->why_not(*planned), "");
  planned->enqueue(elsewhere->traits().tensors, nullptr);
  EXPECT_EQ(backend->launches.back().tile, "8x4");
  EXPECT_FALSE(backend->launches.back().vector);
}

TEST_F(rebound_plan, of_a_user_is_refused_what_is_planned_otherwise) {
  const auto backend = std::make_shared<two_kinds>();
  backend->vector_tiles = {"64x4"};
  backend->any_tiles = {"8x4"};
  const auto step = step_on(backend, tensors_of(aligned_));
  EXPECT_EQ(step->on(with_shifted("B"))->why_not(*step->plan(2)),
            "it would plan 8x4: B is not 16-byte aligned");
}

/** A backend need not know its own algorithms by name. */
TEST_F(rebound_plan, of_a_user_who_answers_to_auto_alone) {
  const auto backend = std::make_shared<plain_answer>();
  const auto step = step_on(backend, tensors_of(aligned_));
  const auto planned = step->plan(2);
  ssu_case copy = aligned_;
  EXPECT_EQ(step->on(tensors_of(copy))->why_not(*planned), "");
  EXPECT_EQ(step->on(with_shifted("B"))->why_not(*planned), "");
  backend->tells_kinds_apart = true;
  EXPECT_EQ(step->on(tensors_of(copy))->why_not(*planned), "");
  EXPECT_EQ(step->on(with_shifted("B"))->why_not(*planned), "it would plan scalar");
  backend->wants_vectors = true;
  EXPECT_EQ(step->on(with_shifted("B"))->why_not(*planned), "B is not 16-byte aligned");
  EXPECT_EQ(step->on(tensors_of(copy))->why_not(*planned), "");
}

TEST_F(rebound_plan, of_the_reference_takes_all) {
  const auto step = step_on(detail::find_backend("reference"), tensors_of(aligned_));
  EXPECT_EQ(step->on(tensors_of(shifted_))->why_not(*step->plan(2)), "");
  const auto other = step_on(detail::find_backend("reference"), tensors_of(shifted_));
  EXPECT_EQ(other->on(tensors_of(aligned_))->why_not(*other->plan(2)), "");
}

/** A backend of the library that only reads 16 bytes at a time. */
class vector_only final : public detail::library_backend {
 public:
  mutable int launches = 0;

  std::string name() const override { return "vector_only"; }
  backend_features features() const override { return features_of_0_1(); }
  support serves(const ssu_problem&) const override { return {}; }
  std::shared_ptr<detail::planned_ssu> resolve(const ssu_problem& problem, std::int64_t sequences,
                                               const std::string&) const override {
    ssu_plan plan;
    plan.backend = name();
    plan.algorithm = "vector";
    plan.sequences = sequences;
    plan.problem = problem;
    return std::make_shared<planned>(*this, std::move(plan));
  }

 private:
  struct planned final : detail::planned_ssu {
    planned(const vector_only& owner, const ssu_plan& plan)
        : planned_ssu{plan, plan.problem}, owner{owner} {}
    std::string why_not(const ssu_problem& problem) const override { return problem.misalignment; }
    using planned_ssu::enqueue;
    void enqueue(const ssu_args&, const detail::ssu_launch&, stream_handle) const override {
      ++owner.launches;
    }
    const vector_only& owner;
  };
};

TEST_F(rebound_plan, that_is_held_alone_refuses_what_it_cannot_take) {
  const vector_only backend;
  const ssu_args args = aligned_.args_at(aligned_.memory.data());
  const ssu_plan plan =
      backend.plan(detail::problem_of(args, {}, device::host()), aligned_.batch, "auto");
  backend.enqueue(plan, args, 0, nullptr);
  EXPECT_EQ(backend.launches, 1);
  try {
    backend.enqueue(plan, detail::with_tensors(args, with_shifted("C")), 0, nullptr);
    FAIL() << "no error";
  } catch (const invalid_argument& error) {
    EXPECT_EQ(error.argument(), "args");
    EXPECT_EQ(error.came(), "C is not 16-byte aligned");
  }
  EXPECT_EQ(backend.launches, 1);
}

}  // namespace
}  // namespace ssugraph::test
