#include "tests/support/bad_rings.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <span>

namespace ssugraph::test {
namespace {

using spoiler = std::function<void(ssu_args&)>;
using tensor_of_args = tensor_view ssu_args::*;

spoiler drop(tensor_of_args member) {
  return [=](ssu_args& args) { args.*member = {}; };
}

spoiler resize(tensor_of_args member, int axis, std::int64_t extent) {
  return [=](ssu_args& args) { args.*member = (args.*member).with_extent(axis, extent); };
}

spoiler retype(tensor_of_args member, dtype type) {
  return [=](ssu_args& args) {
    const tensor_view& tensor = args.*member;
    args.*member = {tensor.data(), type, tensor.extents(), tensor.strides()};
  };
}

spoiler restride(tensor_of_args member, int axis, std::int64_t stride) {
  return [=](ssu_args& args) {
    const tensor_view& tensor = args.*member;
    std::vector<std::int64_t> strides{tensor.strides().begin(), tensor.strides().end()};
    strides[static_cast<std::size_t>(axis)] = stride;
    args.*member = {tensor.data(), tensor.dtype(), tensor.extents(),
                    std::span<const std::int64_t>{strides}};
  };
}

spoiler move(tensor_of_args member, std::ptrdiff_t bytes) {
  return [=](ssu_args& args) {
    tensor_view& tensor = args.*member;
    tensor = tensor.at(static_cast<std::byte*>(tensor.data()) + bytes);
  };
}

spoiler put_on(tensor_of_args member, tensor_of_args other) {
  return [=](ssu_args& args) { args.*member = (args.*member).at((args.*other).data()); };
}

/** Rank 1 where more is wanted, or 2 where 1 is. */
spoiler rerank(tensor_of_args member) {
  return [=](ssu_args& args) {
    const tensor_view& tensor = args.*member;
    args.*member = tensor.rank() == 1 ? tensor.with_unit_axis(1)
                                      : tensor_view{tensor.data(), tensor.dtype(), {1}};
  };
}

spoiler set(std::int64_t ssu_args::*scalar, std::int64_t value) {
  return [=](ssu_args& args) { args.*scalar = value; };
}

/** Another R of all rings. */
spoiler resize_rings(std::int64_t rows) {
  return [=](ssu_args& args) {
    for (auto member : {&ssu_args::x_ring, &ssu_args::B_ring, &ssu_args::dt_ring})
      resize(member, 2, rows)(args);
  };
}

std::vector<bad_rings> bad_partners() {
  return {{"x_ring missing", "x_ring", drop(&ssu_args::x_ring)},
          {"B_ring missing", "B_ring", drop(&ssu_args::B_ring)},
          {"dt_ring missing", "dt_ring", drop(&ssu_args::dt_ring)},
          {"neither cursor nor plan", "ring_cursor",
           [](ssu_args& args) { args.ring_cursor = args.ring_plan = {}; }},
          {"a cursor and a plan", "ring_plan",
           [](ssu_args& args) {
             const ring_case both = good_rings();
             args.ring_cursor = both.test().layout.ring_cursor.at(args.x_ring.data());
             args.ring_plan = both.test().layout.ring_plan.at(args.x_ring.data());
           }},
          {"a key alone", "x_ring",
           [](ssu_args& args) {
             for (auto member : {&ssu_args::x_ring, &ssu_args::B_ring, &ssu_args::dt_ring,
                                 &ssu_args::ring_cursor, &ssu_args::ring_plan})
               args.*member = {};
           }},
          {"destination indices", "dst_state_batch_indices",
           [](ssu_args& args) { args.dst_state_batch_indices = args.state_batch_indices; }},
          {"a state of its own to write", "dst_state",
           [](ssu_args& args) { args.dst_state = args.state; }},
          {"several tokens without cu_seqlens", "cu_seqlens",
           [](ssu_args& args) {
             args.cu_seqlens = {};
             args = first_sequences(args, 3);
           }},
          {"acceptance of too few sequences", "num_accepted_tokens",
           resize(&ssu_args::num_accepted_tokens, 0, 2)}};
}

std::vector<bad_rings> bad_scalars() {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  return {{"T not told", "max_seqlen", set(&ssu_args::max_seqlen, 0)},
          {"T negative", "max_seqlen", set(&ssu_args::max_seqlen, -1)},
          {"T 17", "max_seqlen", set(&ssu_args::max_seqlen, 17)},
          {"T beyond int32", "max_seqlen", set(&ssu_args::max_seqlen, most)},
          {"W 0", "checkpoint_interval", set(&ssu_args::checkpoint_interval, 0)},
          {"W negative", "checkpoint_interval", set(&ssu_args::checkpoint_interval, -16)},
          {"W below T", "checkpoint_interval", set(&ssu_args::checkpoint_interval, 3)},
          {"W 65", "checkpoint_interval", set(&ssu_args::checkpoint_interval, 65)},
          {"W beyond all", "checkpoint_interval", set(&ssu_args::checkpoint_interval, most)}};
}

std::vector<bad_rings> bad_tensors() {
  return {{"A untied along dim", "A", restride(&ssu_args::A, 1, 1)},
          {"A untied along dstate", "A", restride(&ssu_args::A, 2, 1)},
          {"dt untied", "dt", restride(&ssu_args::dt, 2, 1)},
          {"dt_bias untied", "dt_bias", restride(&ssu_args::dt_bias, 1, 1)},
          {"R 129", "x_ring", resize_rings(129)},
          {"a key of fewer slots", "rounding_key", resize(&ssu_args::rounding_key, 0, 2)},
          {"a key of int32", "rounding_key", retype(&ssu_args::rounding_key, dtype::int32)},
          {"a key of rank 2", "rounding_key", rerank(&ssu_args::rounding_key)},
          {"x_ring of fewer slots", "x_ring", resize(&ssu_args::x_ring, 0, 2)},
          {"x_ring of fewer heads", "x_ring", resize(&ssu_args::x_ring, 1, 1)},
          {"x_ring of another dim", "x_ring", resize(&ssu_args::x_ring, 3, 5)},
          {"x_ring of rank 1", "x_ring", rerank(&ssu_args::x_ring)},
          {"x_ring of another dtype than x", "x_ring", retype(&ssu_args::x_ring, dtype::bfloat16)},
          {"B_ring of fewer groups", "B_ring", resize(&ssu_args::B_ring, 1, 1)},
          {"B_ring of another R", "B_ring", resize(&ssu_args::B_ring, 2, 22)},
          {"B_ring of another dstate", "B_ring", resize(&ssu_args::B_ring, 3, 5)},
          {"B_ring of rank 1", "B_ring", rerank(&ssu_args::B_ring)},
          {"B_ring of another dtype than B", "B_ring", retype(&ssu_args::B_ring, dtype::float16)},
          {"dt_ring of another R", "dt_ring", resize(&ssu_args::dt_ring, 2, 22)},
          {"dt_ring of rank 1", "dt_ring", rerank(&ssu_args::dt_ring)},
          {"dt_ring of bfloat16", "dt_ring", retype(&ssu_args::dt_ring, dtype::bfloat16)}};
}

std::vector<bad_rings> bad_places() {
  std::vector<bad_rings> cases{
      {"x_ring with rows on each other", "x_ring", restride(&ssu_args::x_ring, 2, 0)},
      {"B_ring with groups on each other", "B_ring", restride(&ssu_args::B_ring, 1, 0)},
      {"dt_ring with slots on each other", "dt_ring", restride(&ssu_args::dt_ring, 0, 0)},
      {"x_ring on the state", "x_ring", put_on(&ssu_args::x_ring, &ssu_args::state)},
      {"B_ring on x_ring", "B_ring", put_on(&ssu_args::B_ring, &ssu_args::x_ring)},
      {"dt_ring on out", "dt_ring", put_on(&ssu_args::dt_ring, &ssu_args::out)},
      {"x on x_ring", "x_ring", put_on(&ssu_args::x, &ssu_args::x_ring)},
      {"a key on the state", "state", put_on(&ssu_args::rounding_key, &ssu_args::state)}};
  for (auto member :
       {&ssu_args::x_ring, &ssu_args::B_ring, &ssu_args::dt_ring, &ssu_args::rounding_key}) {
    const auto named = std::ranges::find(ring_tensors, member, &named_tensor::member);
    const std::string field{named->name};
    cases.push_back({field + " at no address", field,
                     [=](ssu_args& args) { args.*member = (args.*member).at(nullptr); }});
    cases.push_back({field + " between two elements", field, move(member, 1)});
  }
  return cases;
}

/** Rows of `columns` int32 that are not what such tensors must be. */
std::vector<bad_rings> bad_rows(tensor_of_args member, const std::string& field, int columns) {
  return {{field + " of too few rows", field, resize(member, 0, 2)},
          {field + " of another width", field, resize(member, 1, columns - 1)},
          {field + " of rank 1", field, rerank(member)},
          {field + " of int64", field, retype(member, dtype::int64)},
          {field + " between two multiples of 16 bytes", field, move(member, 4)},
          {field + " of rows that are not", field, restride(member, 0, columns + 2)},
          {field + " of columns apart", field, restride(member, 1, 2)},
          {field + " at no address", field,
           [=](ssu_args& args) { args.*member = (args.*member).at(nullptr); }}};
}

std::vector<bad_rings> bad_cursors() {
  std::vector<bad_rings> cases = bad_rows(&ssu_args::ring_cursor, "ring_cursor", 4);
  cases.push_back({"R below W + 2T - 1", "x_ring", resize_rings(22)});
  cases.push_back({"W too large for R", "x_ring", set(&ssu_args::checkpoint_interval, 17)});
  cases.push_back({"ring_cursor on the state", "ring_cursor",
                   put_on(&ssu_args::ring_cursor, &ssu_args::state)});
  cases.push_back({"ring_cursor with slots on each other", "ring_cursor",
                   restride(&ssu_args::ring_cursor, 0, 0)});
  return cases;
}

std::vector<bad_rings> bad_plans() {
  std::vector<bad_rings> cases = bad_rows(&ssu_args::ring_plan, "ring_plan", 8);
  cases.push_back({"R below T", "x_ring", resize_rings(3)});
  cases.push_back(
      {"ring_plan on the state", "state", put_on(&ssu_args::ring_plan, &ssu_args::state)});
  return cases;
}

}  // namespace

ring_case good_rings() {
  ring_spec spec = ring_spec_of(ssu_mode::varlen);
  spec.has_key = true;
  spec.call.capacity = 13;  // rows for three sequences of 17 tokens
  random_engine engine{base_seed()};
  ring_case good{spec, engine};
  good.next_step({1, 2, 3}, {1, 2, 4}, engine);
  good.put_plan(std::vector<ring_plan_row>(3), dead_rows::leftovers, engine);
  return good;
}

ssu_args bound_to(ssu_args args, ring_binding binding) {
  (binding == ring_binding::cursor ? args.ring_plan : args.ring_cursor) = {};
  return args;
}

std::vector<bad_rings> all_bad_rings(ring_binding binding) {
  std::vector<bad_rings> cases = bad_partners();
  const auto append = [&](std::vector<bad_rings> more) {
    cases.insert(cases.end(), std::make_move_iterator(more.begin()),
                 std::make_move_iterator(more.end()));
  };
  append(bad_scalars());
  append(bad_tensors());
  append(bad_places());
  append(binding == ring_binding::cursor ? bad_cursors() : bad_plans());
  return cases;
}

}  // namespace ssugraph::test
