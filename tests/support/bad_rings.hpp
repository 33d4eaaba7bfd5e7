#pragma once

#include "tests/support/ring_case.hpp"

#include <ssugraph/ssu.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace ssugraph::test {

/** What breaks a call with rings, and the argument that the error names. */
struct bad_rings {
  std::string name;
  std::string argument;
  std::function<void(ssu_args&)> spoil;
};

/** Which of the two a call binds. */
enum class ring_binding : std::uint8_t { cursor, plan };

/** A varlen call of three sequences, T = 4, W = 16 and R = 23, whose layout binds both. */
[[nodiscard]] ring_case good_rings();
/** `args` with one of them. */
[[nodiscard]] ssu_args bound_to(ssu_args args, ring_binding binding);

/** Everything that is wrong of such calls. */
[[nodiscard]] std::vector<bad_rings> all_bad_rings(ring_binding binding);

}  // namespace ssugraph::test
