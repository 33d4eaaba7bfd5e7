#include "tests/support/device.hpp"
#include "tests/support/ssu_case.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace ssugraph::test {
namespace {

/** One broken promise: what breaks it, and the argument that the error names. */
struct bad_input {
  const char* name;
  const char* argument;
  std::function<void(ssu_args&)> spoil;
};

tensor_view with_dtype(const tensor_view& tensor, dtype type) {
  return {tensor.data(), type, tensor.extents(), tensor.strides()};
}

/** Another extent on `axis`, all else equal. */
std::function<void(ssu_args&)> resize(tensor_view ssu_args::*member, int axis,
                                      std::int64_t extent) {
  return [=](ssu_args& args) { args.*member = (args.*member).with_extent(axis, extent); };
}

std::function<void(ssu_args&)> retype(tensor_view ssu_args::*member, dtype type) {
  return [=](ssu_args& args) { args.*member = with_dtype(args.*member, type); };
}

std::function<void(ssu_args&)> drop(tensor_view ssu_args::*member) {
  return [=](ssu_args& args) { args.*member = {}; };
}

/** Rank 1 where more is wanted. */
std::function<void(ssu_args&)> flatten(tensor_view ssu_args::*member) {
  return [=](ssu_args& args) {
    args.*member = tensor_view{(args.*member).data(), (args.*member).dtype(), {1}};
  };
}

std::function<void(ssu_args&)> move(tensor_view ssu_args::*member, std::ptrdiff_t bytes) {
  return [=](ssu_args& args) {
    tensor_view& tensor = args.*member;
    tensor = tensor.at(static_cast<std::byte*>(tensor.data()) + bytes);
  };
}

std::function<void(ssu_args&)> put_on(tensor_view ssu_args::*member, tensor_view ssu_args::*other) {
  return [=](ssu_args& args) { args.*member = (args.*member).at((args.*other).data()); };
}

std::vector<bad_input> bad_tensors() {
  std::vector<bad_input> cases;
  for (const auto& [name, member] : ssu_tensors) {
    const std::string field = name;
    const bool required = field == "state" || field == "x" || field == "dt" || field == "A" ||
                          field == "B" || field == "C" || field == "out";
    if (required) cases.push_back({"missing", name, drop(member)});
    const bool is_floating = field.find('_') == std::string::npos || field == "dt_bias" ||
                             field == "dst_state" || field.ends_with("_scale");
    cases.push_back({"dtype of the wrong kind", name,
                     retype(member, is_floating ? dtype::int32 : dtype::float32)});
    if (field != "rand_seed" && field != "D") {
      cases.push_back({"null address", name, [member = member](ssu_args& args) {
                         args.*member = (args.*member).at(nullptr);
                       }});
    }
    cases.push_back({"address between two elements", name, move(member, 1)});
  }
  return cases;
}

std::vector<bad_input> bad_shapes() {
  return {
      {"rank", "state", flatten(&ssu_args::state)},
      {"rank", "x",
       [](ssu_args& args) {
         for (auto member : {&ssu_args::x, &ssu_args::dt, &ssu_args::z, &ssu_args::out}) {
           flatten(member)(args);
         }
       }},
      {"rank unlike x", "dt", flatten(&ssu_args::dt)},
      {"rank unlike x", "z", flatten(&ssu_args::z)},
      {"rank unlike x", "out", flatten(&ssu_args::out)},
      {"rank", "A", flatten(&ssu_args::A)},
      {"rank", "B", flatten(&ssu_args::B)},
      {"rank", "C", flatten(&ssu_args::C)},
      {"heads", "x", resize(&ssu_args::x, 1, 3)},
      {"dim", "x", resize(&ssu_args::x, 2, 7)},
      {"rows", "dt", resize(&ssu_args::dt, 0, 4)},
      {"heads", "A", resize(&ssu_args::A, 0, 2)},
      {"dim", "A", resize(&ssu_args::A, 1, 2)},
      {"dstate", "A", resize(&ssu_args::A, 2, 2)},
      {"dstate", "B", resize(&ssu_args::B, 2, 8)},
      {"rows", "B", resize(&ssu_args::B, 0, 4)},
      {"groups unlike B", "C", resize(&ssu_args::C, 1, 1)},
      {"rows", "out", resize(&ssu_args::out, 0, 4)},
      {"dim", "D", resize(&ssu_args::D, 1, 7)},
      {"heads", "dt_bias", resize(&ssu_args::dt_bias, 0, 3)},
      {"dim", "z", resize(&ssu_args::z, 2, 7)},
      {"no dstate", "state", resize(&ssu_args::state, 3, 0)},
      {"dstate above 256", "state", resize(&ssu_args::state, 3, 257)},
      {"no heads", "state", resize(&ssu_args::state, 1, 0)},
      {"ngroups that does not divide nheads", "B",
       [](ssu_args& args) {
         resize(&ssu_args::B, 1, 3)(args);
         resize(&ssu_args::C, 1, 3)(args);
       }},
      {"dtype unlike state", "dst_state", retype(&ssu_args::dst_state, dtype::float16)},
      {"dim unlike state", "dst_state", resize(&ssu_args::dst_state, 2, 7)},
      {"dstate unlike state", "dst_state", resize(&ssu_args::dst_state, 3, 15)},
      {"int32", "rand_seed", retype(&ssu_args::rand_seed, dtype::int32)},
      {"two seeds", "rand_seed", resize(&ssu_args::rand_seed, 0, 2)},
  };
}

std::vector<bad_input> bad_sequences() {
  return {
      {"1-D indices in speculative mode", "state_batch_indices",
       [](ssu_args& args) {
         args.state_batch_indices = tensor_view{args.state_batch_indices.data(), dtype::int32, {3}};
         args.dst_state_batch_indices = {};
       }},
      {"no indices in speculative mode", "state_batch_indices",
       [](ssu_args& args) {
         args.state_batch_indices = {};
         args.dst_state_batch_indices = {};
       }},
      {"3-D indices", "state_batch_indices",
       [](ssu_args& args) {
         args.state_batch_indices = args.state_batch_indices.with_unit_axis(2);
         args.dst_state_batch_indices = {};
       }},
      {"negative", "max_seqlen", [](ssu_args& args) { args.max_seqlen = -1; }},
      {"above 2^31 - 1", "max_seqlen",
       [](ssu_args& args) { args.max_seqlen = std::int64_t{1} << 31; }},
      {"more sequences than indices", "state_batch_indices", resize(&ssu_args::cu_seqlens, 0, 5)},
      {"length", "cu_seqlens", resize(&ssu_args::cu_seqlens, 0, 0)},
      {"rank", "cu_seqlens",
       [](ssu_args& args) { args.cu_seqlens = args.cu_seqlens.with_unit_axis(0); }},
      {"length", "num_accepted_tokens", resize(&ssu_args::num_accepted_tokens, 0, 2)},
      {"dst with no src in speculative mode", "state_batch_indices",
       drop(&ssu_args::state_batch_indices)},
      {"fewer than sequences", "dst_state_batch_indices",
       resize(&ssu_args::dst_state_batch_indices, 0, 2)},
      {"3-D destinations", "dst_state_batch_indices",
       [](ssu_args& args) {
         args.num_accepted_tokens = args.state_batch_indices = {};
         args.dst_state_batch_indices = args.dst_state_batch_indices.with_unit_axis(2);
       }},
      {"shape unlike the sources'", "dst_state_batch_indices",
       resize(&ssu_args::dst_state_batch_indices, 1, 2)},
      {"fewer indices than rows", "state_batch_indices",
       [](ssu_args& args) {
         args.cu_seqlens = {};
         args.num_accepted_tokens = {};
       }},
      {"T above 2^31 - 1 in plain mode", "max_seqlen",
       [](ssu_args& args) {
         args.cu_seqlens = {};
         args.num_accepted_tokens = {};
         args.dst_state_batch_indices = {};
         args.state_batch_indices = tensor_view{args.state_batch_indices.data(),
                                                dtype::int32,
                                                {args.x.extent(0), std::int64_t{1} << 31},
                                                {1, 0}};
       }},
      {"fewer slots than sequences", "state",
       [](ssu_args& args) {
         for (auto member : {&ssu_args::state_batch_indices, &ssu_args::dst_state_batch_indices,
                             &ssu_args::num_accepted_tokens, &ssu_args::cu_seqlens}) {
           args.*member = {};
         }
         args.state = args.state.with_extent(0, args.x.extent(0) - 1);
       }},
      {"fewer slots than sequences", "dst_state",
       [](ssu_args& args) {
         for (auto member : {&ssu_args::state_batch_indices, &ssu_args::dst_state_batch_indices,
                             &ssu_args::num_accepted_tokens, &ssu_args::cu_seqlens}) {
           args.*member = {};
         }
         args.dst_state = args.dst_state.with_extent(0, args.x.extent(0) - 1);
       }},
      {"limits that cross", "dt_min",
       [](ssu_args& args) {
         args.dt_min = 0.5f;
         args.dt_max = 0.25f;
       }},
      {"limits that leave nothing", "dt_min",
       [](ssu_args& args) { args.dt_min = std::numeric_limits<float>::infinity(); }},
      {"limit that is no number", "dt_min",
       [](ssu_args& args) { args.dt_max = std::numeric_limits<float>::quiet_NaN(); }},
      {"negative", "max_seqlen", [](ssu_args& args) { args.max_seqlen = -1; }},
  };
}

std::vector<bad_input> bad_memory() {
  return {
      {"a row behind x", "out",
       [](ssu_args& args) {
         args.out = args.out.at(static_cast<std::byte*>(args.x.data()) + args.x.stride(0) * 4);
       }},
      {"an element in front of z", "out",
       [](ssu_args& args) { args.out = args.out.at(static_cast<std::byte*>(args.z.data()) - 4); }},
      {"on x, in other strides", "out",
       [](ssu_args& args) {
         args.out = tensor_view{args.x.data(), dtype::float32, args.x.extents(),
                                std::vector<std::int64_t>{64, 1, 4}};
       }},
      {"on x, of another dtype", "out",
       [](ssu_args& args) {
         args.out = args.out.at(args.x.data());
         retype(&ssu_args::out, dtype::float16)(args);
       }},
      {"overlaps dt", "out", put_on(&ssu_args::out, &ssu_args::dt)},
      {"overlaps the last byte of B", "out",
       [](ssu_args& args) {
         const auto* last = static_cast<std::byte*>(args.B.data()) + args.B.size() * 4 - 4;
         args.out = args.out.at(last);
       }},
      {"overlaps the indices", "out", put_on(&ssu_args::out, &ssu_args::state_batch_indices)},
      {"overlaps state", "out", put_on(&ssu_args::out, &ssu_args::state)},
      {"overlaps x", "state", put_on(&ssu_args::x, &ssu_args::state)},
      {"broadcast", "out",
       [](ssu_args& args) {
         args.out = tensor_view{args.out.data(), dtype::float32, args.out.extents(),
                                std::vector<std::int64_t>{0, 16, 1}};
       }},
      {"rows on top of each other", "out",
       [](ssu_args& args) {
         args.out = tensor_view{args.out.data(), dtype::float32, args.out.extents(),
                                std::vector<std::int64_t>{1, 16, 1}};
       }},
      {"broadcast", "state",
       [](ssu_args& args) {
         args.state = tensor_view{args.state.data(), dtype::float32, args.state.extents(),
                                  std::vector<std::int64_t>{1024, 256, 16, 0}};
       }},
  };
}

std::vector<bad_input> bad_memory_beside_a_state_that_is_read() {
  return {
      {"overlaps state", "dst_state", put_on(&ssu_args::dst_state, &ssu_args::state)},
      {"overlaps x", "dst_state", put_on(&ssu_args::x, &ssu_args::dst_state)},
      {"overlaps out", "dst_state", put_on(&ssu_args::dst_state, &ssu_args::out)},
      {"broadcast", "dst_state",
       [](ssu_args& args) {
         args.dst_state =
             tensor_view{args.dst_state.data(), dtype::float32, args.dst_state.extents(),
                         std::vector<std::int64_t>{1024, 256, 16, 0}};
       }},
  };
}

/** Of a call with int16 states and scales, one state that is only read among them or not. */
std::vector<bad_input> bad_scales() {
  const auto retype_states = [](ssu_args& args, dtype type) {
    args.state = with_dtype(args.state, type);
    args.dst_state = with_dtype(args.dst_state, type);
  };
  return {
      {"missing", "state_scale", drop(&ssu_args::state_scale)},
      {"missing", "dst_state_scale", drop(&ssu_args::dst_state_scale)},
      {"both missing", "state_scale",
       [](ssu_args& args) { args.state_scale = args.dst_state_scale = {}; }},
      {"of a floating state", "state_scale",
       [=](ssu_args& args) {
         retype_states(args, dtype::float16);
         args.dst_state_scale = {};
       }},
      {"of a floating dst_state", "dst_state_scale",
       [=](ssu_args& args) {
         retype_states(args, dtype::bfloat16);
         args.state_scale = {};
       }},
      {"of no dst_state", "dst_state_scale", drop(&ssu_args::dst_state)},
      {"codes unlike those of state", "dst_state", retype(&ssu_args::dst_state, dtype::int8)},
      {"rank", "state_scale", flatten(&ssu_args::state_scale)},
      {"rank of the codes", "state_scale",
       [](ssu_args& args) { args.state_scale = args.state_scale.with_unit_axis(3); }},
      {"fewer slots", "state_scale",
       [](ssu_args& args) {
         args.state_scale = args.state_scale.with_extent(0, args.state.extent(0) - 1);
       }},
      {"more slots", "state_scale",
       [](ssu_args& args) {
         args.state_scale = args.state_scale.with_extent(0, args.state.extent(0) + 1);
       }},
      {"heads", "state_scale", resize(&ssu_args::state_scale, 1, 3)},
      {"dim", "state_scale", resize(&ssu_args::state_scale, 2, 15)},
      {"dim", "dst_state_scale", resize(&ssu_args::dst_state_scale, 2, 15)},
      {"slots unlike dst_state", "dst_state_scale",
       [](ssu_args& args) {
         args.dst_state_scale = args.dst_state_scale.with_extent(0, args.dst_state.extent(0) - 1);
       }},
      {"fp16", "state_scale", retype(&ssu_args::state_scale, dtype::float16)},
      {"bf16", "dst_state_scale", retype(&ssu_args::dst_state_scale, dtype::bfloat16)},
      {"codes", "state_scale", retype(&ssu_args::state_scale, dtype::int8)},
      {"two bytes off", "state_scale", move(&ssu_args::state_scale, 2)},
      {"on dst_state", "dst_state_scale", put_on(&ssu_args::dst_state_scale, &ssu_args::dst_state)},
      {"on state", "dst_state_scale", put_on(&ssu_args::dst_state_scale, &ssu_args::state)},
      {"on the scale that is read", "dst_state_scale",
       put_on(&ssu_args::dst_state_scale, &ssu_args::state_scale)},
      {"on out", "dst_state_scale", put_on(&ssu_args::dst_state_scale, &ssu_args::out)},
      {"on x", "dst_state_scale", put_on(&ssu_args::dst_state_scale, &ssu_args::x)},
      {"on the indices", "dst_state_scale",
       put_on(&ssu_args::dst_state_scale, &ssu_args::state_batch_indices)},
      {"on itself", "dst_state_scale",
       [](ssu_args& args) {
         args.dst_state_scale =
             tensor_view{args.dst_state_scale.data(), dtype::float32,
                         args.dst_state_scale.extents(), std::vector<std::int64_t>{64, 16, 0}};
       }},
  };
}

std::vector<bad_input> bad_scales_of_a_state_in_place() {
  return {
      {"missing", "state_scale", drop(&ssu_args::state_scale)},
      {"of no dst_state", "dst_state_scale",
       [](ssu_args& args) { args.dst_state_scale = args.state_scale; }},
      {"on state", "state_scale", put_on(&ssu_args::state_scale, &ssu_args::state)},
      {"on the last code", "state_scale",
       [](ssu_args& args) {
         const auto bytes = args.state.size() * size_of(args.state.dtype());
         args.state_scale =
             args.state_scale.at(static_cast<std::byte*>(args.state.data()) + bytes - 4);
       }},
      {"on out", "state_scale", put_on(&ssu_args::state_scale, &ssu_args::out)},
      {"on B", "state_scale", put_on(&ssu_args::state_scale, &ssu_args::B)},
      {"under dt", "state_scale", put_on(&ssu_args::dt, &ssu_args::state_scale)},
      {"on the seed", "state_scale", put_on(&ssu_args::state_scale, &ssu_args::rand_seed)},
      {"one for all of dim", "state_scale",
       [](ssu_args& args) {
         args.state_scale =
             tensor_view{args.state_scale.data(), dtype::float32, args.state_scale.extents(),
                         std::vector<std::int64_t>{64, 16, 0}};
       }},
  };
}

/** `tensor` with other strides on the axes that have more than one entry, or on the others. */
tensor_view with_strides(const tensor_view& tensor, bool of_one_entry,
                         const std::function<std::int64_t(std::int64_t)>& stride) {
  std::vector<std::int64_t> strides{tensor.strides().begin(), tensor.strides().end()};
  for (int axis = 0; axis < tensor.rank(); ++axis) {
    if ((tensor.extent(axis) <= 1) == of_one_entry)
      strides[static_cast<std::size_t>(axis)] = stride(tensor.stride(axis));
  }
  return {tensor.data(), tensor.dtype(), tensor.extents(), strides};
}

/** Strides that no memory has, whatever the dtype. */
std::vector<std::int64_t> strides_out_of_reach() {
  const std::int64_t limit = std::int64_t{1} << 62;
  const std::int64_t largest = std::numeric_limits<std::int64_t>::max();
  return {limit, -limit, limit - 1, 2 - limit, limit + 1, largest, -largest, -largest - 1};
}

std::vector<bad_input> out_of_reach() {
  const std::int64_t largest = std::numeric_limits<std::int64_t>::max();
  std::vector<bad_input> cases;
  for (const auto& [name, member] : ssu_tensors) {
    if (std::string{name} == "rand_seed") continue;  // one entry
    for (const std::int64_t stride : strides_out_of_reach()) {
      cases.push_back({"stride", name, [=, member = member](ssu_args& args) {
                         args.*member =
                             with_strides(args.*member, false, [=](auto) { return stride; });
                       }});
    }
    cases.push_back({"stride below address 0", name, [member = member](ssu_args& args) {
                       const std::int64_t down = -(std::int64_t{1} << 50);
                       args.*member = with_strides(args.*member, false, [=](auto) { return down; });
                     }});
    for (const std::int64_t extent : {largest, largest / 2, std::int64_t{1} << 61})
      cases.push_back({"extent", name, resize(member, 0, extent)});
    cases.push_back({"negative extent", name, resize(member, 0, -1)});
    cases.push_back({"address", name, [member = member](ssu_args& args) {
                       args.*member = (args.*member).at(reinterpret_cast<void*>(largest / 8 * 8));
                     }});
  }
  return cases;
}

/** A valid speculative call that binds every tensor, fp32 and dense, ngroups 2 of 4 heads: a second
 *  state if asked to, and scales if the state has some. */
ssu_case valid_case(bool has_dst_state = true, dtype state = dtype::float32) {
  case_spec spec;
  spec.mode = ssu_mode::speculative;
  spec.has_cu_seqlens = true;
  spec.has_dst = true;
  spec.has_dst_state = has_dst_state;
  spec.state_dtype = state;
  spec.has_z = true;
  spec.ngroups = 2;
  spec.max_seqlen = 3;
  random_engine engine{base_seed()};
  ssu_case test = make_case(spec, engine);
  arena_layout dense;
  for (const auto& [name, member] : ssu_tensors) {
    tensor_view& tensor = test.layout.*member;
    if (tensor)
      tensor = dense.add(tensor.dtype(), {tensor.extents().begin(), tensor.extents().end()});
  }
  test.memory = arena{dense.bytes()};
  return test;
}

/** What an invalid_argument says of `call`. */
invalid_argument refusal(const std::function<void()>& call) {
  try {
    call();
  } catch (const invalid_argument& error) {
    EXPECT_FALSE(error.expected().empty());
    EXPECT_FALSE(error.came().empty());
    EXPECT_NE(std::string{error.what()}.find(error.argument()), std::string::npos);
    return error;
  }
  return {"no error", "", ""};
}

/** The argument that it names. */
std::string refused_argument(const std::function<void()>& call) {
  return refusal(call).argument();
}

/** Of a valid call with one thing changed. */
invalid_argument refusal_of(const std::function<void(ssu_args&)>& spoil, mamba_config config = {}) {
  const ssu_case test = valid_case();
  arena memory = test.memory;
  ssu_args args = test.args_at(memory.data());
  spoil(args);
  config.backend = "reference";
  return refusal([&] { static_cast<void>(ssu_dispatch{config}.plan(args)); });
}

bool has(const std::string& text, const std::string& words) {
  return text.find(words) != std::string::npos;
}

void expect_refused(const std::vector<bad_input>& cases, bool has_dst_state = true,
                    dtype state = dtype::float32) {
  ssu_case test = valid_case(has_dst_state, state);
  const arena before = test.memory;
  ssu_dispatch dispatch{{.backend = "reference"}};
  for (const auto& [name, argument, spoil] : cases) {
    SCOPED_TRACE(std::string{argument} + ": " + name);
    ssu_args args = test.args_at(test.memory.data());
    spoil(args);
    EXPECT_EQ(refused_argument([&] { (void)dispatch.plan(args); }), argument);
    EXPECT_EQ(refused_argument([&] { dispatch.selective_state_update(args, nullptr); }), argument);
    EXPECT_EQ(test.memory, before);
  }
}

TEST(validate, the_unspoilt_call_is_valid) {
  ssu_case test = valid_case();
  ssu_dispatch dispatch{{.backend = "reference"}};
  const ssu_plan plan = dispatch.plan(test.args_at(test.memory.data()));
  EXPECT_EQ(plan.problem.mode, ssu_mode::speculative);
  EXPECT_EQ(plan.problem.max_seqlen, 3);
  EXPECT_EQ(plan.sequences, 3);
}

TEST(validate, refuses_bad_tensors) {
  expect_refused(bad_tensors(), true, dtype::int16);
}

TEST(validate, refuses_bad_shapes_and_dtypes) {
  expect_refused(bad_shapes());
}

TEST(validate, refuses_bad_sequences) {
  expect_refused(bad_sequences());
}

TEST(validate, refuses_overlap_and_broadcast_of_what_is_written) {
  expect_refused(bad_memory(), false);
  expect_refused(bad_memory_beside_a_state_that_is_read());
}

TEST(validate, refuses_scales_that_are_not_those_of_the_state) {
  expect_refused(bad_scales(), true, dtype::int16);
  for (const dtype state : {dtype::int8, dtype::int16, dtype::float8_e4m3})
    expect_refused(bad_scales_of_a_state_in_place(), false, state);
}

TEST(validate, says_why_a_state_needs_scales_or_has_none) {
  const auto words = [](dtype type, bool has_scale) {
    ssu_case test = valid_case(false, dtype::int8);
    ssu_args args = test.args_at(test.memory.data());
    args.state = with_dtype(args.state, type);
    if (!has_scale) args.state_scale = {};
    const invalid_argument error =
        refusal([&] { (void)ssu_dispatch{{.backend = "reference"}}.plan(args); });
    EXPECT_EQ(error.argument(), "state_scale");
    return std::string{error.what()};
  };
  EXPECT_TRUE(has(words(dtype::int8, false), "a tensor, for state is int8"));
  EXPECT_TRUE(has(words(dtype::float8_e4m3, false), "a tensor, for state is float8_e4m3"));
  EXPECT_TRUE(has(words(dtype::float16, true), "nothing, for state is float16"));
}

TEST(validate, takes_scales_behind_the_codes_of_their_slot) {
  ssu_case test = valid_case(false, dtype::int8);
  ssu_args args = test.args_at(test.memory.data());
  const std::int64_t slots = args.state.extent(0);
  constexpr std::int64_t codes = 4 * 16 * 16;
  constexpr std::int64_t bytes = codes + 4 * 16 * 4;
  std::vector<float> pool(static_cast<std::size_t>(slots * bytes / 4));
  auto* const first = reinterpret_cast<std::byte*>(pool.data());
  args.state = tensor_view{first, dtype::int8, {slots, 4, 16, 16}, {bytes, 256, 16, 1}};
  const auto scales_from = [&](std::int64_t at) {
    args.state_scale = tensor_view{first + at, dtype::float32, {slots, 4, 16}, {bytes / 4, 16, 1}};
    return refused_argument([&] { (void)ssu_dispatch{{.backend = "reference"}}.plan(args); });
  };
  EXPECT_EQ(scales_from(codes), "no error");
  EXPECT_EQ(scales_from(codes - 4), "state_scale");
  EXPECT_EQ(scales_from(codes + 4), "state_scale") << "into the next slot";
}

/** A state that is only read may lie on itself and on what is read. */
TEST(validate, takes_a_state_that_is_only_read_as_an_input) {
  ssu_case test = valid_case();
  ssu_args args = test.args_at(test.memory.data());
  args.state = tensor_view{args.state.data(), dtype::float32, args.state.extents(),
                           std::vector<std::int64_t>{0, 256, 16, 1}};
  put_on(&ssu_args::x, &ssu_args::state)(args);
  EXPECT_NO_THROW((void)ssu_dispatch{{.backend = "reference"}}.plan(args));
}

TEST(validate, refuses_tensors_that_leave_the_address_space) {
  expect_refused(out_of_reach(), true, dtype::int16);
}

TEST(validate, takes_any_stride_along_an_axis_of_one_entry) {
  case_spec spec;
  spec.batch = 1;
  spec.capacity = 1;
  spec.nheads = 1;
  spec.has_z = true;
  spec.has_dst = true;
  random_engine engine{base_seed()};
  const ssu_case test = make_case(spec, engine);
  const auto run = [&](const std::function<std::int64_t(std::int64_t)>& stride) {
    arena memory = test.memory;
    ssu_args args = first_sequences(test.args_at(memory.data()), 1);
    for (const auto& [name, member] : ssu_tensors) {
      if (args.*member) args.*member = with_strides(args.*member, true, stride);
    }
    ssu_dispatch{{.backend = "reference"}}.selective_state_update(args, nullptr);
    return memory;
  };
  const arena expected = run([](std::int64_t stride) { return stride; });
  EXPECT_NE(expected, test.memory);
  for (const std::int64_t any : strides_out_of_reach())
    EXPECT_EQ(run([=](auto) { return any; }), expected) << any;
}

TEST(validate, refuses_rounding_of_a_float32_state) {
  ssu_case test = valid_case();
  const arena before = test.memory;
  ssu_dispatch dispatch{{.backend = "reference", .stochastic_rounding = true}};
  const ssu_args args = test.args_at(test.memory.data());
  EXPECT_EQ(refused_argument([&] { (void)dispatch.plan(args); }), "state");
  EXPECT_EQ(refused_argument([&] { dispatch.selective_state_update(args, nullptr); }), "state");
  EXPECT_EQ(test.memory, before);
  EXPECT_EQ(dispatch.random_state(), random_state{});
}

TEST(validate, refuses_rounds_other_than_0_and_3_to_10) {
  for (const int rounds : {-1, 1, 2, 11, std::numeric_limits<int>::max()}) {
    for (const bool rounding : {false, true}) {
      const mamba_config config{
          .backend = "reference", .stochastic_rounding = rounding, .philox_rounds = rounds};
      EXPECT_EQ(refused_argument([&] { ssu_dispatch{config}; }), "philox_rounds") << rounds;
    }
  }
  for (const int rounds : {0, 3, 4, 5, 6, 7, 8, 9, 10}) {
    const mamba_config config{.backend = "reference", .philox_rounds = rounds};
    EXPECT_EQ(ssu_dispatch{config}.config().philox_rounds, rounds);
  }
}

TEST(validate, says_why_one_or_two_rounds_will_not_do) {
  const auto expected_of = [](int rounds) -> std::string {
    try {
      ssu_dispatch{{.backend = "reference", .philox_rounds = rounds}};
    } catch (const invalid_argument& error) {
      return error.expected();
    }
    return "no error";
  };
  EXPECT_NE(expected_of(1).find("one way"), std::string::npos) << expected_of(1);
  EXPECT_EQ(expected_of(2), expected_of(1));
  EXPECT_NE(expected_of(1).find("0 (10), or 3 to 10"), std::string::npos) << expected_of(1);
}

/** Its first axes alone, as models keep what has one value a head. */
std::function<void(ssu_args&)> keep_axes(tensor_view ssu_args::*member, int count) {
  return [=](ssu_args& args) {
    const tensor_view& whole = args.*member;
    args.*member = tensor_view{whole.data(), whole.dtype(),
                               whole.extents().first(static_cast<std::size_t>(count))};
  };
}

TEST(validate, says_how_one_value_a_head_is_passed) {
  struct lacking_axes {
    const char* name;
    tensor_view ssu_args::*member;
    int axes;
    const char* hint;
  };
  for (const auto& [name, member, axes, hint] :
       {lacking_axes{"A", &ssu_args::A, 1, "A[:, None, None].expand(4, 16, 16)"},
        lacking_axes{"A", &ssu_args::A, 2, "A[:, :, None].expand(4, 16, 16)"},
        lacking_axes{"dt", &ssu_args::dt, 2, "dt[:, :, None].expand(9, 4, 16)"},
        lacking_axes{"dt_bias", &ssu_args::dt_bias, 1, "dt_bias[:, None].expand(4, 16)"},
        lacking_axes{"D", &ssu_args::D, 1, "D[:, None].expand(4, 16)"}}) {
    const invalid_argument error = refusal_of(keep_axes(member, axes));
    EXPECT_EQ(error.argument(), name);
    EXPECT_TRUE(has(error.expected(), hint)) << error.what();
    EXPECT_TRUE(has(error.expected(), "stride 0")) << error.what();
  }
  EXPECT_FALSE(has(refusal_of(flatten(&ssu_args::A)).what(), "expand")) << "of another size";
  EXPECT_FALSE(has(refusal_of(keep_axes(&ssu_args::B, 1)).what(), "expand"));
}

TEST(validate, blames_a_state_whose_axes_are_swapped) {
  const auto swap = [](ssu_args& args) {
    const tensor_view& state = args.state;
    args.state = tensor_view{
        state.data(), state.dtype(), {state.extent(0), state.extent(1), 8, state.extent(2)}};
    args.B = args.B.with_extent(2, 8);
    args.C = args.C.with_extent(2, 8);
    args.A = args.A.with_extent(2, 8);
  };
  const invalid_argument error = refusal_of(swap);
  EXPECT_EQ(error.argument(), "state");
  EXPECT_TRUE(has(error.expected(), "(slots, nheads, dim, dstate)")) << error.what();
  EXPECT_TRUE(has(error.expected(), "dim 16 as x")) << error.what();
  EXPECT_TRUE(has(error.expected(), "dstate 8 as B")) << error.what();
}

TEST(validate, says_which_tensor_a_size_comes_of) {
  const std::string of_B = refusal_of(resize(&ssu_args::B, 2, 8)).expected();
  EXPECT_TRUE(has(of_B, "(rows, ngroups, dstate)")) << of_B;
  EXPECT_TRUE(has(of_B, "(9, 2, 16)")) << of_B;
  EXPECT_TRUE(has(of_B, "nheads, dim and dstate of state")) << of_B;
}

TEST(validate, says_why_what_interleaves_may_overlap) {
  // Heads of z and out by turns, in memory of their own.
  const auto by_turns = [](std::int64_t heads_a_row_of_out) {
    return [=](ssu_args& args) {
      static std::vector<float> both(9 * 5 * 2 * 16);
      const std::vector<std::int64_t> extents{9, 4, 16};
      const auto strides = [](std::int64_t heads) {
        return std::vector<std::int64_t>{heads * 2 * 16, 2 * 16, 1};
      };
      args.z = tensor_view{both.data(), dtype::float32, extents, strides(4)};
      args.out =
          tensor_view{both.data() + 16, dtype::float32, extents, strides(heads_a_row_of_out)};
    };
  };
  EXPECT_EQ(refusal_of(by_turns(4)).argument(), "no error");
  const invalid_argument apart = refusal_of(by_turns(5));
  EXPECT_EQ(apart.argument(), "out");
  EXPECT_TRUE(has(apart.expected(), "no byte shared with z")) << apart.what();
  EXPECT_TRUE(has(apart.came(), "interleave")) << apart.what();
  EXPECT_TRUE(has(apart.came(), "equal outer stride")) << apart.what();
  const invalid_argument equal = refusal_of(put_on(&ssu_args::out, &ssu_args::dt));
  EXPECT_FALSE(has(equal.came(), "interleave")) << equal.what();
}

TEST(validate, blames_a_float32_state_for_rounding_whatever_the_seed) {
  for (const auto& spoil : {retype(&ssu_args::rand_seed, dtype::int32),
                            resize(&ssu_args::rand_seed, 0, 2), drop(&ssu_args::rand_seed)}) {
    const invalid_argument error = refusal_of(spoil, {.stochastic_rounding = true});
    EXPECT_EQ(error.argument(), "state");
    EXPECT_TRUE(has(error.expected(), "stochastic_rounding")) << error.what();
  }
}

TEST(validate, refuses_an_unknown_backend_with_the_valid_names) {
  try {
    ssu_dispatch{{.backend = "nativ"}};
    FAIL() << "no error";
  } catch (const invalid_argument& error) {
    EXPECT_EQ(error.argument(), "backend");
    EXPECT_NE(error.expected().find("reference"), std::string::npos);
    EXPECT_NE(error.came().find("nativ"), std::string::npos);
  }
}

TEST(validate, refuses_an_unknown_algorithm) {
  ssu_case test = valid_case();
  const arena before = test.memory;
  ssu_dispatch dispatch{{.backend = "reference", .algorithm = "fastest"}};
  try {
    dispatch.selective_state_update(test.args_at(test.memory.data()), nullptr);
    FAIL() << "no error";
  } catch (const unsupported& error) {
    EXPECT_EQ(error.refusals().front().backend, "reference");
    EXPECT_NE(error.refusals().front().reason.find("fastest"), std::string::npos);
    for (const char* name : {"native", "triton", "flashinfer"}) {
      const auto about = std::ranges::find(error.refusals(), name, &unsupported::refusal::backend);
      ASSERT_NE(about, error.refusals().end()) << name;
      EXPECT_FALSE(about->reason.empty()) << name;
    }
  }
  EXPECT_EQ(test.memory, before);
}

TEST(validate, refuses_tensors_in_two_places) {
  if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  ssu_case test = valid_case(true, dtype::int16);
  const arena before = test.memory;
  const placed_memory device{place::device, test.memory};
  const placed_stream stream{place::device};
  ssu_dispatch dispatch{{.backend = "native"}};
  for (const auto& [name, member] : ssu_tensors) {
    if (std::string{name} == "state") continue;
    SCOPED_TRACE(name);
    ssu_args args = test.args_at(device.data());
    args.*member = test.args_at(test.memory.data()).*member;
    EXPECT_EQ(refused_argument([&] { dispatch.selective_state_update(args, stream.get()); }), name);
  }
  EXPECT_EQ(device.read_all(), before);
}

TEST(validate, each_backend_refuses_the_other_kind_of_memory) {
  if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  ssu_case test = valid_case();
  const placed_memory device{place::device, test.memory};
  EXPECT_THROW((void)ssu_dispatch{{.backend = "reference"}}.plan(test.args_at(device.data())),
               unsupported);
  EXPECT_THROW((void)ssu_dispatch{{.backend = "native"}}.plan(test.args_at(test.memory.data())),
               unsupported);
}

}  // namespace
}  // namespace ssugraph::test
