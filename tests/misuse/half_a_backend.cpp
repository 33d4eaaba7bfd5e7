// A backend has all of its functions.
// GNU: cannot declare variable 'own_backend' to be of abstract type 'half'
// Clang: variable type 'half' is an abstract class
#include <ssugraph/backend.hpp>
#include <ssugraph/ssu.hpp>
#include <ssugraph/ssu_plan.hpp>
#include <ssugraph/ssu_problem.hpp>
#include <ssugraph/stream.hpp>

struct half : ssugraph::mamba_ssu_backend {
  std::string name() const override { return "half"; }
  ssugraph::support supports(const ssugraph::ssu_problem&) const override { return {}; }
  ssugraph::ssu_plan plan(const ssugraph::ssu_problem&, std::int64_t,
                          const std::string&) const override {
    return {};
  }
#ifndef SSUGRAPH_MISUSE
  void enqueue(const ssugraph::ssu_plan&, const ssugraph::ssu_args&, std::int64_t,
               ssugraph::stream_handle) const override {}
#endif
};

half own_backend;
