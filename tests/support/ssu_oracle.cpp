#include "tests/support/ssu_oracle.hpp"

#include "tests/support/float_format.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

namespace ssugraph::test {
namespace {

tensor_view with_heads(const tensor_view& tensor, int rank, int axis) {
  return tensor && tensor.rank() < rank ? tensor.with_unit_axis(axis) : tensor;
}

template <class... Index>
double at(const tensor_view& tensor, Index... index) {
  return load(address_of(tensor, index...), tensor.dtype());
}

double softplus(double value) {
  return value <= 20 ? std::log1p(std::exp(value)) : value;
}

/** One call, evaluated sequence by sequence. */
class evaluation {
 public:
  evaluation(const ssu_args& args, const mamba_config& config, std::int64_t seed)
      : args_{with_all_axes(args)}, seed_{static_cast<std::uint64_t>(seed)} {
    rounds_ = config.philox_rounds == 0 ? 10 : config.philox_rounds;
    speculative_ = static_cast<bool>(args.num_accepted_tokens);
    result_.state = {.name = "state",
                     .dtype = args.state.dtype(),
                     .stochastic = config.stochastic_rounding,
                     .elements = {},
                     .rows = {}};
    result_.out = {.name = "out", .dtype = args.out.dtype(), .elements = {}, .rows = {}};
    if (speculative_) {
      most_tokens_ = args.state_batch_indices.extent(1);
    } else {
      most_tokens_ = args.max_seqlen > 0 ? args.max_seqlen : args.x.extent(0);
    }
  }

  expected_result run() {
    for (std::int64_t i = 0; i < sequence_count(); ++i)
      run_sequence(i);
    return std::move(result_);
  }

 private:
  using slot = std::optional<std::int64_t>;

  struct element {
    double value;
    double terms;  ///< magnitudes that it is the sum of
  };

  std::int64_t sequence_count() const {
    return args_.cu_seqlens ? args_.cu_seqlens.extent(0) - 1 : args_.x.extent(0);
  }

  slot look_up(const tensor_view& table, const tensor_view& state, std::int64_t i,
               std::int64_t column) const {
    if (!table) return i;
    const auto* address = table.rank() == 1 ? address_of(table, i) : address_of(table, i, column);
    const std::int64_t index = load_index(address, table.dtype());
    const bool live = index != args_.null_block_id && index >= 0 && index < state.extent(0);
    return live ? slot{index} : std::nullopt;
  }

  slot source(std::int64_t i) const {
    std::int64_t column = 0;
    if (speculative_) {
      const tensor_view& accepted = args_.num_accepted_tokens;
      const std::int64_t count = load_index(address_of(accepted, i), accepted.dtype());
      column = std::clamp<std::int64_t>(count - 1, 0, most_tokens_ - 1);
    }
    return look_up(args_.state_batch_indices, args_.state, i, column);
  }

  const tensor_view& written() const { return args_.dst_state ? args_.dst_state : args_.state; }

  /** Where the state after token t goes, if anywhere. */
  slot destination(std::int64_t i, std::int64_t t, std::int64_t length) const {
    if (!speculative_ && t != length - 1) return std::nullopt;
    const tensor_view& table =
        args_.dst_state_batch_indices ? args_.dst_state_batch_indices : args_.state_batch_indices;
    return look_up(table, written(), i, speculative_ ? t : 0);
  }

  void run_sequence(std::int64_t i) {
    std::int64_t first = i;
    std::int64_t length = 1;
    if (args_.cu_seqlens) {
      const tensor_view& cu = args_.cu_seqlens;
      first = load_index(address_of(cu, i), cu.dtype());
      const std::int64_t end = load_index(address_of(cu, i + 1), cu.dtype());
      length = std::clamp<std::int64_t>(end - first, 0, most_tokens_);
    }
    const slot from = source(i);
    if (!from) return expect_zero_rows(result_, args_.out, first, first + length);
    for (std::int64_t head = 0; head < args_.state.extent(1); ++head) {
      for (std::int64_t d = 0; d < args_.state.extent(2); ++d) {
        run_row(i, *from, first, length, head, d);
      }
    }
  }

  void run_row(std::int64_t i, std::int64_t from, std::int64_t first, std::int64_t length,
               std::int64_t head, std::int64_t d) {
    const std::int64_t dstate = args_.state.extent(3);
    const std::int64_t group = head / (args_.state.extent(1) / args_.B.extent(1));
    const double scale = args_.state_scale ? at(args_.state_scale, from, head, d) : 1.0;
    std::vector<element> h(static_cast<std::size_t>(dstate));
    for (std::int64_t n = 0; n < dstate; ++n) {
      const double value = at(args_.state, from, head, d, n) * scale;
      h[static_cast<std::size_t>(n)] = {value, std::abs(value)};
    }
    for (std::int64_t t = 0; t < length; ++t) {
      const std::int64_t row = first + t;
      const double x = at(args_.x, row, head, d);
      const double dt = oracle_dt(args_, row, head, d);
      double sum = 0;
      for (std::int64_t n = 0; n < dstate; ++n) {
        auto& [value, terms] = h[static_cast<std::size_t>(n)];
        const double decay = std::exp(at(args_.A, head, d, n) * dt);
        const double added = dt * x * at(args_.B, row, group, n);
        value = value * decay + added;
        terms = terms * decay + std::abs(added);
        sum += value * at(args_.C, row, group, n);
      }
      if (args_.D) sum += at(args_.D, head, d) * x;
      if (args_.z) {
        const double z = at(args_.z, row, head, d);
        sum *= z / (1 + std::exp(-z));
      }
      result_.out.elements.push_back({address_of(args_.out, row, head, d), sum});
      if (const slot to = destination(i, t, length)) write_state(*to, from, t, head, d, h);
    }
  }

  void write_state(std::int64_t to, std::int64_t from, std::int64_t t, std::int64_t head,
                   std::int64_t d, const std::vector<element>& h) {
    const auto dstate = static_cast<std::int64_t>(h.size());
    const tensor_view& scales = args_.dst_state ? args_.dst_state_scale : args_.state_scale;
    if (scales) {
      result_.state.rows.push_back(
          {address_of(scales, to, head, d), result_.state.elements.size(), h.size()});
    }
    const std::int64_t token = speculative_ || args_.cu_seqlens ? t : 0;
    for (std::int64_t n = 0; n < dstate; ++n) {
      const std::int64_t e = (head * args_.state.extent(2) + d) * dstate + n;
      const std::uint32_t random =
          result_.state.stochastic ? oracle_bits(seed_, rounds_, e, token, from) : 0;
      const auto [value, terms] = h[static_cast<std::size_t>(n)];
      result_.state.elements.push_back(
          {address_of(written(), to, head, d, n), value, random, false, terms});
    }
  }

  ssu_args args_;
  std::uint64_t seed_;
  int rounds_ = 10;
  bool speculative_ = false;
  std::int64_t most_tokens_ = 1;
  expected_result result_;
};

}  // namespace

ssu_args with_all_axes(ssu_args args) {
  args.state = with_heads(args.state, 4, 1);
  args.dst_state = with_heads(args.dst_state, 4, 1);
  args.state_scale = with_heads(args.state_scale, 3, 1);
  args.dst_state_scale = with_heads(args.dst_state_scale, 3, 1);
  args.x_ring = with_heads(args.x_ring, 4, 1);
  args.B_ring = with_heads(args.B_ring, 4, 1);
  args.dt_ring = with_heads(args.dt_ring, 3, 1);
  args.A = with_heads(args.A, 3, 0);
  for (auto member :
       {&ssu_args::x, &ssu_args::dt, &ssu_args::B, &ssu_args::C, &ssu_args::z, &ssu_args::out}) {
    args.*member = with_heads(args.*member, 3, 1);
  }
  for (auto member : {&ssu_args::D, &ssu_args::dt_bias}) {
    args.*member = with_heads(args.*member, 2, 0);
  }
  return args;
}

double oracle_dt(const ssu_args& args, std::int64_t row, std::int64_t head, std::int64_t d) {
  double dt = at(args.dt, row, head, d);
  if (args.dt_bias) dt += at(args.dt_bias, head, d);
  if (args.dt_softplus) dt = softplus(dt);
  return std::min(std::max(dt, double{args.dt_min}), double{args.dt_max});
}

std::uint32_t oracle_bits(std::uint64_t seed, int rounds, std::int64_t e, std::int64_t word,
                          std::int64_t slot) {
  const auto low = static_cast<std::uint64_t>(e >> 3) | static_cast<std::uint64_t>(word) << 32;
  const auto words = oracle_philox(seed, low, static_cast<std::uint64_t>(slot), rounds);
  const std::uint32_t drawn = words[static_cast<std::size_t>((e & 7) / 2)];
  return e % 2 == 0 ? drawn & 0xffffu : drawn >> 16;
}

expected_result ssu_oracle(const ssu_args& args, const mamba_config& config, std::int64_t seed) {
  return evaluation{args, config, seed}.run();
}

void expect_zero_rows(expected_result& result, const tensor_view& out, std::int64_t begin,
                      std::int64_t end) {
  const tensor_view full = with_heads(out, 3, 1);
  for (std::int64_t row = begin; row < end; ++row) {
    for (std::int64_t head = 0; head < full.extent(1); ++head) {
      for (std::int64_t d = 0; d < full.extent(2); ++d) {
        result.out.elements.push_back({address_of(full, row, head, d), 0.0, 0, true});
      }
    }
  }
}

std::array<std::uint32_t, 4> oracle_philox(std::uint64_t key, std::uint64_t counter_low,
                                           std::uint64_t counter_high, int rounds) {
  constexpr std::uint64_t word = 0xffffffffu;
  std::uint64_t c[4] = {counter_low & word, counter_low >> 32, counter_high & word,
                        counter_high >> 32};
  std::uint64_t k[2] = {key & word, key >> 32};
  for (int round = 0; round < rounds; ++round) {
    const std::uint64_t p0 = c[0] * 0xD2511F53u;
    const std::uint64_t p1 = c[2] * 0xCD9E8D57u;
    const std::uint64_t next[4] = {(p1 >> 32) ^ c[1] ^ k[0], p1 & word, (p0 >> 32) ^ c[3] ^ k[1],
                                   p0 & word};
    std::copy(std::begin(next), std::end(next), std::begin(c));
    k[0] = (k[0] + 0x9E3779B9u) & word;
    k[1] = (k[1] + 0xBB67AE85u) & word;
  }
  return {static_cast<std::uint32_t>(c[0]), static_cast<std::uint32_t>(c[1]),
          static_cast<std::uint32_t>(c[2]), static_cast<std::uint32_t>(c[3])};
}

std::int64_t oracle_draw(std::uint64_t seed, std::uint64_t n) {
  return static_cast<std::int64_t>(oracle_philox(seed, n, 0, 10)[1]);
}

}  // namespace ssugraph::test
