#include "lib/backends/reference/reference.hpp"

#include "lib/core/float16.hpp"
#include "lib/random/philox.hpp"
#include "lib/random/stochastic_round.hpp"

#include <ssugraph/error.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

namespace ssugraph::detail {
namespace {

template <class T>
T& element(const tensor_view& tensor, std::int64_t i, std::int64_t j = 0, std::int64_t k = 0,
           std::int64_t l = 0) {
  return static_cast<T*>(tensor.data())[i * tensor.stride(0) + j * tensor.stride(1) +
                                        k * tensor.stride(2) + l * tensor.stride(3)];
}

template <class... Index>
float load(const tensor_view& tensor, Index... index) {
  switch (tensor.dtype()) {
    case dtype::float16:
      return to_float(element<float16>(tensor, index...));
    case dtype::bfloat16:
      return to_float(element<bfloat16>(tensor, index...));
    default:
      return element<float>(tensor, index...);
  }
}

template <class... Index>
void store(const tensor_view& tensor, float value, Index... index) {
  switch (tensor.dtype()) {
    case dtype::float16:
      element<float16>(tensor, index...) = from_float<float16>(value);
      break;
    case dtype::bfloat16:
      element<bfloat16>(tensor, index...) = from_float<bfloat16>(value);
      break;
    default:
      element<float>(tensor, index...) = value;
  }
}

template <class... Index>
std::int64_t load_index(const tensor_view& tensor, Index... index) {
  return tensor.dtype() == dtype::int64 ? element<std::int64_t>(tensor, index...)
                                        : element<std::int32_t>(tensor, index...);
}

/** One sequence of the call: its rows and the slots it reads and writes. */
class sequence {
 public:
  sequence(const ssu_plan& plan, const ssu_args& args, std::int64_t i)
      : args_{args}, i_{i}, max_seqlen_{plan.problem.max_seqlen} {
    const std::int64_t rows = args.x.extent(0);
    if (args.cu_seqlens) {
      begin_ = std::clamp<std::int64_t>(load_index(args.cu_seqlens, i), 0, rows);
      const auto end = std::clamp<std::int64_t>(load_index(args.cu_seqlens, i + 1), begin_, rows);
      length_ = std::min(end - begin_, max_seqlen_);
    } else {
      begin_ = i;
      length_ = 1;
    }
    std::int64_t column = 0;
    if (args.num_accepted_tokens) {
      const std::int64_t accepted = load_index(args.num_accepted_tokens, i);
      column = std::clamp<std::int64_t>(accepted - 1, 0, max_seqlen_ - 1);
    }
    source_ = args.state_batch_indices ? slot(args.state_batch_indices, column) : i;
  }

  [[nodiscard]] std::int64_t row(std::int64_t t) const { return begin_ + t; }
  [[nodiscard]] std::int64_t length() const { return length_; }
  [[nodiscard]] std::int64_t source() const { return source_; }
  [[nodiscard]] bool is_null() const { return source_ < 0; }

  /** The slot that takes the state after token `t`, or -1. */
  [[nodiscard]] std::int64_t destination(std::int64_t t) const {
    const bool speculative = static_cast<bool>(args_.num_accepted_tokens);
    if (!speculative && t + 1 < length_) return -1;
    const std::int64_t column = speculative ? t : 0;
    if (args_.dst_state_batch_indices) return slot(args_.dst_state_batch_indices, column);
    return speculative ? slot(args_.state_batch_indices, column) : source_;
  }

 private:
  [[nodiscard]] std::int64_t slot(const tensor_view& indices, std::int64_t column) const {
    const std::int64_t found = load_index(indices, i_, column);
    const bool live = found != args_.null_block_id && found >= 0 && found < args_.state.extent(0);
    return live ? found : -1;
  }

  const ssu_args& args_;
  std::int64_t i_;
  std::int64_t max_seqlen_;
  std::int64_t begin_ = 0;
  std::int64_t length_ = 0;
  std::int64_t source_ = -1;
};

/** The update of one sequence in one head; `h` is its (dim, dstate) state in fp32. */
class head_update {
 public:
  head_update(const ssu_plan& plan, const ssu_args& args, std::int64_t drawn_seed,
              const sequence& rows, std::int64_t head)
      : problem_{plan.problem},
        args_{args},
        sequence_{rows},
        head_{head},
        group_{head / (problem_.nheads / problem_.ngroups)} {
    if (problem_.stochastic_rounding) {
      seed_ = args.rand_seed ? element<std::int64_t>(args.rand_seed, 0) : drawn_seed;
    }
  }

  void read(float* h) const {
    for (std::int64_t d = 0; d < problem_.dim; ++d) {
      for (std::int64_t n = 0; n < problem_.dstate; ++n) {
        *h++ = load(args_.state, sequence_.source(), head_, d, n);
      }
    }
  }

  void run(float* h) const {
    for (std::int64_t t = 0; t < sequence_.length(); ++t) {
      const std::int64_t destination = sequence_.destination(t);
      for (std::int64_t d = 0; d < problem_.dim; ++d) {
        float* row = h + d * problem_.dstate;
        update(sequence_.row(t), d, row);
        if (destination >= 0) write(destination, t, d, row);
      }
    }
  }

  void zero_out() const {
    for (std::int64_t t = 0; t < sequence_.length(); ++t) {
      for (std::int64_t d = 0; d < problem_.dim; ++d) {
        store(args_.out, 0.0f, sequence_.row(t), head_, d);
      }
    }
  }

 private:
  void update(std::int64_t row, std::int64_t d, float* h) const {
    const float x = load(args_.x, row, head_, d);
    const float dt = time_step(row, d);
    float sum = 0.0f;
    for (std::int64_t n = 0; n < problem_.dstate; ++n) {
      const float decay = std::exp(load(args_.A, head_, d, n) * dt);
      h[n] = h[n] * decay + (dt * x) * load(args_.B, row, group_, n);
      sum += h[n] * load(args_.C, row, group_, n);
    }
    if (args_.D) sum += load(args_.D, head_, d) * x;
    if (args_.z) {
      const float z = load(args_.z, row, head_, d);
      sum *= z / (1.0f + std::exp(-z));
    }
    store(args_.out, sum, row, head_, d);
  }

  [[nodiscard]] float time_step(std::int64_t row, std::int64_t d) const {
    float dt = load(args_.dt, row, head_, d);
    if (args_.dt_bias) dt += load(args_.dt_bias, head_, d);
    return args_.dt_softplus && dt <= 20.0f ? std::log1p(std::exp(dt)) : dt;
  }

  void write(std::int64_t slot, std::int64_t t, std::int64_t d, const float* h) const {
    const std::int64_t first = (head_ * problem_.dim + d) * problem_.dstate;
    philox_words words{};
    for (std::int64_t n = 0; n < problem_.dstate; ++n) {
      if (!problem_.stochastic_rounding) {
        store(args_.state, h[n], slot, head_, d, n);
        continue;
      }
      const std::int64_t e = first + n;
      if (n == 0 || e % 8 == 0) {
        words =
            rounding_words(seed_, static_cast<std::uint32_t>(e >> 3), static_cast<std::uint32_t>(t),
                           sequence_.source(), problem_.philox_rounds);
      }
      const std::uint32_t bits = rounding_bits(words, static_cast<std::uint32_t>(e));
      if (problem_.state_dtype == dtype::float16) {
        element<float16>(args_.state, slot, head_, d, n).bits = round_to_float16(h[n], bits);
      } else {
        element<bfloat16>(args_.state, slot, head_, d, n).bits = round_to_bfloat16(h[n], bits);
      }
    }
  }

  const ssu_problem& problem_;
  const ssu_args& args_;
  const sequence& sequence_;
  std::int64_t head_;
  std::int64_t group_;
  std::int64_t seed_ = 0;
};

}  // namespace

std::string reference_backend::name() const {
  return "reference";
}

support reference_backend::supports(const ssu_problem& problem) const {
  if (problem.device.is_host()) return {};
  return {"it runs on the CPU and the tensors live on CUDA device " +
          std::to_string(problem.device.ordinal)};
}

ssu_plan reference_backend::plan(const ssu_problem& problem, std::int64_t sequences,
                                 const std::string& algorithm) const {
  if (algorithm != "auto" && algorithm != "serial") {
    throw unsupported{{{name(), "algorithm '" + algorithm + "' is none of auto, serial"}}};
  }
  ssu_plan plan;
  plan.backend = name();
  plan.algorithm = "serial";
  plan.sequences = sequences;
  plan.problem = problem;
  return plan;
}

void reference_backend::enqueue(const ssu_plan& plan, const ssu_args& args, std::int64_t drawn_seed,
                                stream_handle) const {
  std::vector<sequence> sequences;
  sequences.reserve(static_cast<std::size_t>(plan.sequences));
  for (std::int64_t i = 0; i < plan.sequences; ++i)
    sequences.emplace_back(plan, args, i);

  // A head at a time, every source is read before any destination is written, as on a GPU.
  const auto elements = static_cast<std::size_t>(plan.problem.dim * plan.problem.dstate);
  std::vector<float> states(sequences.size() * elements);
  for (std::int64_t head = 0; head < plan.problem.nheads; ++head) {
    const auto each = [&](auto&& apply) {
      for (std::size_t i = 0; i < sequences.size(); ++i) {
        if (sequences[i].length() == 0) continue;
        const head_update update{plan, args, drawn_seed, sequences[i], head};
        apply(update, sequences[i], states.data() + i * elements);
      }
    };
    each([](const head_update& update, const sequence& rows, float* h) {
      if (!rows.is_null()) update.read(h);
    });
    each([](const head_update& update, const sequence& rows, float* h) {
      rows.is_null() ? update.zero_out() : update.run(h);
    });
  }
}

}  // namespace ssugraph::detail
