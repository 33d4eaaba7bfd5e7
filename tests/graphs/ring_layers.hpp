#pragma once

#include "tests/graphs/target_suite.hpp"
#include "tests/support/cursor_model.hpp"

#include <ssugraph/ssugraph.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

/** Small layers with rings, for tests of what a pipeline makes of cursors and plans. */
namespace ssugraph::test {

struct ring_spec {
  std::int64_t interval = 16;   ///< W
  std::int64_t max_seqlen = 1;  ///< T; above 1 with cu_seqlens
  std::int64_t spare_rows = 0;  ///< of R, above W + 2T - 1
  std::int64_t slots = 9;
  std::int64_t sequences = 6;  ///< of the largest bucket
  std::size_t layers = 3;
  bool has_indices = true;
  std::int64_t index_columns = 0;  ///< 0: they have one axis
  dtype index_dtype = dtype::int32;
  bool has_accepted = false;
  bool has_plan = false;  ///< in place of the cursor
  bool has_key = false;
  std::int64_t null_block_id = 0;

  [[nodiscard]] bool has_bounds() const { return max_seqlen > 1; }
  [[nodiscard]] std::int64_t ring_rows() const {
    return interval + 2 * max_seqlen - 1 + spare_rows;
  }
};

/** Layers in one place that share their sequences and one cursor (or plan). Zeros, but where a test
 *  writes. */
class ring_layers {
 public:
  ring_layers(target where, const ring_spec& spec);

  [[nodiscard]] const ring_spec& spec() const { return spec_; }
  [[nodiscard]] target where() const { return where_; }
  [[nodiscard]] const ssu_args& args(std::size_t layer = 0) const { return args_[layer]; }
  [[nodiscard]] ssu_args& args(std::size_t layer = 0) { return args_[layer]; }

  /** All layers, by the names `layer0`, ... */
  void add_to(pipeline_builder& builder) const;

  /** The elements of a dense integer tensor, from the first on. */
  void write(const tensor_view& tensor, std::span<const std::int64_t> values);
  [[nodiscard]] std::vector<std::int64_t> read(const tensor_view& tensor) const;

  void write_cursor(std::int64_t slot, const ring_cursor& cursor);
  [[nodiscard]] std::vector<ring_cursor> cursors() const;

  static std::string name_of(std::size_t layer) { return "layer" + std::to_string(layer); }

 private:
  ring_spec spec_;
  target where_;
  std::vector<ssu_args> args_;
  std::optional<placed_memory> memory_;
};

/** A step that keeps the plan that its context shows. */
class plan_sight {
 public:
  plan_sight(target where, std::int64_t sequences);

  /** Of the last replay, all rows of the bucket. */
  [[nodiscard]] std::vector<ring_plan_row> seen() const;
  [[nodiscard]] step_function step();

 private:
  target where_;
  placed_memory memory_;
};

}  // namespace ssugraph::test
