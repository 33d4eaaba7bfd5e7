#pragma once

#include "inputs.hpp"
#include "machine.hpp"
#include "models.hpp"
#include "scheduler.hpp"

#include <ssugraph/cache_view.hpp>
#include <ssugraph/ssu.hpp>

#include <cstdint>
#include <span>
#include <vector>

namespace serving_loop {

/** Tokens of a sequence since its checkpoint. */
struct ring_tokens {
  std::int32_t live;    ///< in front of the step, that stand
  std::int32_t stored;  ///< of these, what the step's checkpoint sees; 0: it stores none
};

/** What is served: a model, and at most how many sequences of how many tokens in a step. */
struct served_shape {
  serving_loop::model model;
  std::int32_t max_batch;
  std::int32_t tokens;  ///< T
  bool speculative;
  std::int32_t checkpoint = 0;  ///< W of checkpointed states; 0: every step stores the state

  [[nodiscard]] std::int64_t rows() const { return std::int64_t{max_batch} * tokens; }
  /** One a token or, where rings keep the tokens, one. */
  [[nodiscard]] std::int32_t slots_a_sequence() const { return checkpoint > 0 ? 1 : tokens; }
  /** Slot 0 is the null block. */
  [[nodiscard]] std::int64_t slots() const {
    return std::int64_t{max_batch} * slots_a_sequence() + 1;
  }
  /** R: the least that W and T allow. */
  [[nodiscard]] std::int32_t ring_rows() const {
    return checkpoint > 0 ? checkpoint + 2 * tokens - 1 : 0;
  }
  [[nodiscard]] ring_tokens ring_of(const sequence& running) const;
  /** Bytes of state, of all layers, that a step reads (one slot) and writes (T slots; with rings
   *  one, if a checkpoint is due) for a sequence. */
  [[nodiscard]] std::int64_t state_traffic(const sequence& running) const;
};

/** The weights of a layer, a pure function of its number: A in fp32, the others in bf16. */
struct layer_weights {
  std::vector<float> A;
  std::vector<std::uint16_t> D;
  std::vector<std::uint16_t> dt_bias;
};

[[nodiscard]] layer_weights make_weights(const model& model, std::int32_t layer);

/** Where the tensors of one layer lie. */
struct layer_memory {
  std::byte* state;  ///< slots of slot_bytes()
  std::uint16_t* conv;
  std::uint16_t* dt;
  std::uint16_t* z;
  std::uint16_t* out;
  const float* A;
  const std::uint16_t* D;
  const std::uint16_t* dt_bias;
  const std::int32_t* slots = nullptr;
  const std::int32_t* accepted = nullptr;
  const std::int32_t* cu_seqlens = nullptr;
  std::uint16_t* x_ring = nullptr;
  std::uint16_t* B_ring = nullptr;
  float* dt_ring = nullptr;
  std::int32_t* cursor = nullptr;
};

/**
 * The SSU of one layer for `sequences` sequences. Plain mode has one row and one slot a sequence.
 * Speculative mode has T of both, and reads the state after the last token accepted before. With
 * rings either has one slot a sequence.
 */
[[nodiscard]] ssugraph::ssu_args make_args(const served_shape& shape, std::int64_t sequences,
                                           const layer_memory& at);

/** The tables that a step's sequences are written to: one block, moved by one copy. */
struct step_tables {
  step_tables(std::int32_t* block, const served_shape& shape)
      : slots{block},
        fresh{slots + shape.rows()},
        accepted{fresh + shape.rows()},
        requests{accepted + shape.max_batch},
        positions{requests + shape.max_batch} {}

  static std::size_t size(const served_shape& shape) {
    return static_cast<std::size_t>(2 * shape.rows() + 3 * std::int64_t{shape.max_batch});
  }

  std::int32_t* slots;      ///< (max_batch, slots a sequence)
  std::int32_t* fresh;      ///< slots of sequences in their first step
  std::int32_t* accepted;   ///< (max_batch)
  std::int32_t* requests;   ///< (max_batch)
  std::int32_t* positions;  ///< (max_batch)
};

/** The tensors of all layers, and what fills them in front of each step. */
class workload {
 public:
  /** Throws invalid_argument if they do not fit into the memory of `on`. */
  workload(machine& on, const served_shape& shape);

  [[nodiscard]] const served_shape& shape() const { return shape_; }
  [[nodiscard]] const layer_memory& layer(std::int32_t index) const { return layers_[index]; }
  [[nodiscard]] ssugraph::ssu_args args(std::int32_t layer) const;

  /**
   * Enqueues what a step needs: writes the tables of `running` to `staging` and copies them to
   * where every layer reads them, zeroes the slots of `started`, makes the inputs of all layers.
   */
  void prepare(std::int32_t* staging, std::span<const sequence> running,
               std::span<const sequence> started);

 private:
  template <class T>
  T* allocate(std::int64_t count);
  template <class T>
  const T* upload(const std::vector<T>& values);
  layer_memory allocate_layer(std::int32_t layer);

  machine* machine_;
  served_shape shape_;
  std::vector<memory> owned_;
  std::int32_t* table_block_ = nullptr;
  std::int32_t* cu_seqlens_ = nullptr;
  std::int32_t* cursor_ = nullptr;  ///< of all layers
  input_job inputs_{};
  std::vector<layer_memory> layers_;
  std::vector<ssugraph::cache_view> caches_;  ///< of all layers
};

}  // namespace serving_loop
