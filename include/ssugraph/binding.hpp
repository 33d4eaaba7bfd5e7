#pragma once

/** @file
 *  Addresses for the tensors of a step. */

#include <ssugraph/export.hpp>

#include <string>

namespace ssugraph {

/** Another address for one bound tensor of a step, or of sequences that steps share; its layout
 *  stays. */
struct binding {
  std::string step;            ///< its name in the builder, or theirs
  std::string tensor;          ///< the name of one that it binds, as `state`
  const void* data = nullptr;  ///< where it lies from now on
};

}  // namespace ssugraph
