#include "tests/support/execution.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace ssugraph::test {
namespace {

/** A user's backend for host tensors: it fills `out` with a number. */
class filling_backend : public mamba_ssu_backend {
 public:
  filling_backend(std::string name, float value) : name_{std::move(name)}, value_{value} {}

  std::string name() const override { return name_; }
  support supports(const ssu_problem& problem) const override {
    if (problem.x_dtype == dtype::float32 && problem.device.is_host()) return {};
    return {"it fills fp32 on the host"};
  }
  ssu_plan plan(const ssu_problem& problem, std::int64_t sequences,
                const std::string& algorithm) const override {
    if (algorithm != "auto") throw unsupported{{{name_, "algorithm '" + algorithm + "'"}}};
    ssu_plan plan;
    plan.backend = name_;
    plan.algorithm = "fill";
    plan.sequences = sequences;
    plan.problem = problem;
    return plan;
  }
  void enqueue(const ssu_plan&, const ssu_args& args, std::int64_t, stream_handle) const override {
    std::fill_n(static_cast<float*>(args.out.data()), args.out.size(), value_);
  }

 private:
  std::string name_;
  float value_;
};

ssu_case float_case() {
  case_spec spec;
  random_engine engine{base_seed()};
  return make_case(spec, engine);
}

/** Sets the log sink for a scope. */
class captured_log {
 public:
  captured_log() {
    set_log_sink([this](std::string_view line) { lines.emplace_back(line); });
  }
  ~captured_log() { set_log_sink({}); }

  std::vector<std::string> lines;
};

TEST(registry, a_users_backend_runs_by_its_name) {
  register_mamba_ssu_backend(std::make_shared<filling_backend>("seven", 7.0f));
  ssu_case test = float_case();
  const ssu_args args = test.args_at(test.memory.data());
  ssu_dispatch dispatch{{.backend = "seven"}};
  EXPECT_EQ(dispatch.plan(args).algorithm, "fill");
  dispatch.selective_state_update(args, nullptr);
  EXPECT_EQ(*static_cast<const float*>(args.out.data()), 7.0f);
}

TEST(registry, refuses_a_name_that_is_taken) {
  for (const char* name : {"native", "triton", "flashinfer", "reference", "automatic", ""}) {
    try {
      register_mamba_ssu_backend(std::make_shared<filling_backend>(name, 0.0f));
      FAIL() << "'" << name << "' was free";
    } catch (const invalid_argument& error) {
      EXPECT_EQ(error.argument(), "backend") << name;
    }
  }
  EXPECT_THROW(register_mamba_ssu_backend(nullptr), invalid_argument);
}

TEST(registry, an_unknown_name_gets_the_valid_ones) {
  try {
    const ssu_dispatch dispatch{{.backend = "fastest"}};
    FAIL() << "no error";
  } catch (const invalid_argument& error) {
    for (const char* name : {"reference", "automatic"}) {
      EXPECT_NE(error.expected().find(name), std::string::npos) << error.what();
    }
  }
}

/** What a build lacks is refused with the package and the command that bring it. */
TEST(registry, a_backend_that_was_not_built_in_says_how_to_get_it) {
  const std::pair<const char*, const char*> remedies[]{
      {"native", "-DSSUGRAPH_CUDA=ON"},
      {"triton", "-DSSUGRAPH_TRITON=ON"},
      {"flashinfer", "-DSSUGRAPH_FLASHINFER=ON"},
  };
  for (const auto& [name, remedy] : remedies) {
    try {
      const ssu_dispatch dispatch{{.backend = name}};
      EXPECT_EQ(dispatch.backend().name(), name);
    } catch (const unsupported& error) {
      ASSERT_EQ(error.refusals().size(), 1u);
      EXPECT_EQ(error.refusals().front().backend, name);
      EXPECT_NE(error.refusals().front().reason.find(remedy), std::string::npos) << error.what();
    }
  }
}

TEST(registry, every_backend_answers_to_a_problem) {
  ssu_case test = float_case();
  const auto answers = backends_for(test.args_at(test.memory.data()), {});
  for (const char* name : {"native", "triton", "flashinfer", "reference"}) {
    const auto found = std::ranges::find(answers, name, &backend_support::backend);
    ASSERT_NE(found, answers.end()) << name;
    EXPECT_EQ(static_cast<bool>(found->answer), std::string{name} == "reference") << name;
  }
}

TEST(registry, automatic_takes_one_that_serves) {
  ssu_case test = float_case();
  const ssu_args args = test.args_at(test.memory.data());
  const ssu_dispatch dispatch{{.backend = "automatic"}};
  const ssu_plan plan = dispatch.plan(args);
  EXPECT_NE(plan.backend, "automatic");
  EXPECT_TRUE(backends_for(args, {}).size() >= 4);
  EXPECT_TRUE(agrees_with_float64(float_case(), by_backend(reference_eager(), "reference")));
  const ssu_dispatch picky{{.backend = "automatic", .algorithm = "vector"}};
  EXPECT_THROW(static_cast<void>(picky.plan(args)), unsupported);
}

TEST(registry, is_safe_to_share_between_threads) {
  std::atomic<int> registered = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      const std::string name = "thread" + std::to_string(i % 4);
      try {
        register_mamba_ssu_backend(std::make_shared<filling_backend>(name, 1.0f));
        ++registered;
      } catch (const invalid_argument&) {
        // Another thread was first.
      }
      EXPECT_NO_THROW(ssu_dispatch({.backend = name}));
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  EXPECT_EQ(registered, 4);
}

TEST(log_sink, gets_one_line_that_names_the_backend) {
  captured_log log;
  initialize_mamba_ssu_backend({.backend = "reference", .stochastic_rounding = true});
  ASSERT_EQ(log.lines.size(), 1u);
  EXPECT_NE(log.lines.front().find("reference"), std::string::npos);
  EXPECT_NE(log.lines.front().find("philox-10"), std::string::npos);
  EXPECT_EQ(log.lines.front().find('\n'), std::string::npos);
  EXPECT_THROW(initialize_mamba_ssu_backend({.backend = "nobody"}), invalid_argument);
  EXPECT_EQ(log.lines.size(), 1u);
}

TEST(log_sink, gets_nothing_once_it_is_replaced) {
  const captured_log replaced;
  set_log_sink({});
  initialize_mamba_ssu_backend({.backend = "reference"});
  EXPECT_TRUE(replaced.lines.empty());
}

TEST(log_sink, may_call_the_library) {
  int lines = 0;
  set_log_sink([&](std::string_view) {
    ++lines;
    initialize_mamba_ssu_backend({.backend = "reference", .philox_rounds = 7});
  });
  initialize_mamba_ssu_backend({.backend = "reference"});
  EXPECT_EQ(lines, 1) << "what the sink's own calls log does not come back to it";
  EXPECT_EQ(get_mamba_ssu_backend()->config().philox_rounds, 0);
  initialize_mamba_ssu_backend({.backend = "reference"});
  EXPECT_EQ(lines, 2) << "no line is kept from the sink afterwards";
  set_log_sink({});
}

TEST(log_sink, may_set_another_one) {
  captured_log log;
  std::string own = "the sink's own state outlives the call that it is in";
  set_log_sink([own, &log](std::string_view) {
    set_log_sink([&log](std::string_view line) { log.lines.emplace_back(line); });
    log.lines.push_back(own);
  });
  initialize_mamba_ssu_backend({.backend = "reference"});
  EXPECT_EQ(log.lines, std::vector{own});
  initialize_mamba_ssu_backend({.backend = "reference"});
  EXPECT_EQ(log.lines.size(), 2u);
}

TEST(log_sink, runs_on_one_thread_at_a_time_and_no_more_once_it_is_replaced) {
  std::atomic<int> inside = 0;
  std::atomic<int> lines = 0;
  std::atomic<bool> alone = true;
  set_log_sink([&](std::string_view) {
    if (++inside != 1) alone = false;
    ++lines;
    std::this_thread::yield();
    --inside;
  });
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      while (!stop)
        initialize_mamba_ssu_backend({.backend = "reference"});
    });
  }
  while (lines < 100)
    std::this_thread::yield();
  set_log_sink([](std::string_view) {});
  const int then = lines;
  EXPECT_EQ(inside, 0);
  std::this_thread::sleep_for(std::chrono::milliseconds{10});
  stop = true;
  for (std::thread& thread : threads)
    thread.join();
  EXPECT_EQ(lines, then);
  EXPECT_TRUE(alone);
  set_log_sink({});
}

}  // namespace
}  // namespace ssugraph::test
