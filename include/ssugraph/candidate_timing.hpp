#pragma once

/** @file
 *  What a measured choice of a plan was made by. */

#include <ssugraph/export.hpp>

#include <string>

namespace ssugraph {

/** What the measured choice made of one candidate for a bucket. */
struct candidate_timing {
  std::string backend;       ///< its name
  std::string algorithm;     ///< of that backend
  double median_us = 0.0;    ///< a launch, under graph replay, state out of L2
  double limit_share = 0.0;  ///< bytes that must move over the copy rate, over that time
  std::string verdict;       ///< `chosen`, or why not
};

}  // namespace ssugraph
