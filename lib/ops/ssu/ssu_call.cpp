#include "lib/core/alignment.hpp"
#include "lib/ops/ssu/eager.hpp"
#include "lib/ops/ssu/problem/operands.hpp"
#include "lib/ops/ssu/problem/problem.hpp"
#include "lib/ops/ssu/problem/validate.hpp"
#include "lib/ops/ssu/resolve.hpp"
#include "lib/step/check_ring.hpp"

#include <ssugraph/dispatch.hpp>
#include <ssugraph/error.hpp>
#include <ssugraph/ssu_call.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <utility>

namespace ssugraph {
namespace {

using detail::ssu_elements;
using detail::ssu_operand;
using detail::ssu_operands;

/** In the order of the operands. */
constexpr std::array address_members{&ssu_addresses::state,
                                     &ssu_addresses::x,
                                     &ssu_addresses::dt,
                                     &ssu_addresses::A,
                                     &ssu_addresses::B,
                                     &ssu_addresses::C,
                                     &ssu_addresses::D,
                                     &ssu_addresses::z,
                                     &ssu_addresses::dt_bias,
                                     &ssu_addresses::out,
                                     &ssu_addresses::state_batch_indices,
                                     &ssu_addresses::dst_state_batch_indices,
                                     &ssu_addresses::num_accepted_tokens,
                                     &ssu_addresses::cu_seqlens,
                                     &ssu_addresses::rand_seed,
                                     &ssu_addresses::dst_state,
                                     &ssu_addresses::state_scale,
                                     &ssu_addresses::dst_state_scale,
                                     &ssu_addresses::x_ring,
                                     &ssu_addresses::B_ring,
                                     &ssu_addresses::dt_ring,
                                     &ssu_addresses::ring_cursor,
                                     &ssu_addresses::ring_plan,
                                     &ssu_addresses::rounding_key};
static_assert(address_members.size() == ssu_operands.size());

ssu_addresses addresses_of(const ssu_args& args) {
  ssu_addresses addresses;
  for (std::size_t i = 0; i < ssu_operands.size(); ++i)
    addresses.*address_members[i] = (args.*ssu_operands[i].member).data();
  return addresses;
}

/** Bytes that the address of each operand is a multiple of. */
using alignments = std::array<std::uintptr_t, ssu_operands.size()>;

alignments alignments_of(const ssu_addresses& addresses) {
  constexpr auto most = static_cast<std::uintptr_t>(tensor_layout::max_alignment);
  alignments all{};
  std::ranges::transform(address_members, all.begin(), [&](auto member) {
    const auto bits = reinterpret_cast<std::uintptr_t>(addresses.*member) | most;
    return bits & (~bits + 1);
  });
  return all;
}

/** Each operand at an address of its own, aligned to a vector, but `loose` only to its dtype. */
ssu_args aligned_but(ssu_args args, std::size_t loose) {
  constexpr std::uintptr_t vector_bytes = 16;
  for (std::size_t i = 0; i < ssu_operands.size(); ++i) {
    tensor_view& tensor = args.*ssu_operands[i].member;
    if (!tensor) continue;
    std::uintptr_t address = vector_bytes * (2 * i + 1);
    if (i == loose) address += static_cast<std::uintptr_t>(size_of(tensor.dtype()));
    tensor = tensor.at(reinterpret_cast<const void*>(address));
  }
  return args;
}

/** What `planned` takes without a question, whatever else lies where: of a tensor that it reads in
 *  vectors, those; of others, elements. What it was prepared with, if that is less. */
alignments needed_by(const detail::planned_ssu& planned, const detail::validated_ssu& call) {
  constexpr std::size_t nobody = ssu_operands.size();
  const auto takes = [&](std::size_t loose) {
    const ssu_args args = aligned_but(call.args, loose);
    return planned.why_not(detail::relocated(call.problem, args)).empty();
  };
  const alignments given = alignments_of(addresses_of(call.args));
  if (!takes(nobody)) return given;
  alignments needed = alignments_of(addresses_of(aligned_but(call.args, nobody)));
  for (std::size_t i = 0; i < needed.size(); ++i) {
    const tensor_view& tensor = call.args.*ssu_operands[i].member;
    const bool in_rows = ssu_operands[i].elements == ssu_elements::rows;  // of 16 bytes each
    if (tensor && takes(i) && !in_rows)
      needed[i] = static_cast<std::uintptr_t>(size_of(tensor.dtype()));
  }
  return needed;
}

}  // namespace

struct detail::prepared_ssu {
  [[nodiscard]] ssu_args at(const ssu_addresses& addresses) const;
  /** Throws invalid_argument unless the plan can take `args` where they lie. */
  void check_place(const ssu_args& args) const;

  std::shared_ptr<detail::eager_state> state;
  detail::validated_ssu call;
  std::shared_ptr<const detail::planned_ssu> planned;
  ssu_addresses addresses;  ///< of the call
  alignments needed;        ///< of what need not be asked
};

ssu_args detail::prepared_ssu::at(const ssu_addresses& others) const {
  ssu_args args = call.args;
  bool is_aligned = true;
  for (std::size_t i = 0; i < ssu_operands.size(); ++i) {
    tensor_view& tensor = args.*ssu_operands[i].member;
    const void* const address = others.*address_members[i];
    const bool has_bytes = tensor && tensor.size() > 0;
    if (tensor ? has_bytes && address == nullptr : address != nullptr) {
      throw invalid_argument{std::string{ssu_operands[i].what.name},
                             tensor ? "an address, for it was bound" : "null, for it was not bound",
                             tensor ? "null" : "an address"};
    }
    if (!tensor) continue;
    tensor = tensor.at(address);
    is_aligned = is_aligned && reinterpret_cast<std::uintptr_t>(address) % needed[i] == 0;
  }
  const bool is_in_place = args.out == args.x || args.out == args.z;
  if (!is_aligned || (is_in_place && !call.problem.out_in_place)) check_place(args);
  return args;
}

void detail::prepared_ssu::check_place(const ssu_args& args) const {
  for (const ssu_operand& each : ssu_operands) {
    const tensor_view& tensor = args.*each.member;
    if (!tensor || tensor.size() == 0) continue;
    detail::check_address(std::string{each.what.name}, tensor);
    if (each.elements == ssu_elements::rows)
      detail::check_ring_rows(std::string{each.what.name}, tensor, 0, tensor.extent(1));
  }
  const std::string reason = planned->why_not(detail::relocated(call.problem, args));
  if (reason.empty()) return;
  const auto [backend, algorithm] = planned->choice();
  throw invalid_argument{
      "addresses", "those that algorithm " + algorithm + " of " + backend + " can take", reason};
}

ssu_call ssu_dispatch::prepare(const ssu_args& args) const {
  detail::validated_ssu call = detail::validate_eager(args, state_->config);
  const auto planned =
      detail::resolve(state_->backend, call.problem, call.sequences, state_->config.algorithm);
  planned->load();
  const ssu_addresses addresses = addresses_of(call.args);
  const alignments needed = needed_by(*planned, call);
  return ssu_call{std::make_shared<const detail::prepared_ssu>(
      detail::prepared_ssu{state_, std::move(call), planned, addresses, needed})};
}

ssu_call::ssu_call(std::shared_ptr<const detail::prepared_ssu> call) noexcept
    : prepared_{std::move(call)} {}

const ssu_plan& ssu_call::plan() const noexcept {
  return prepared_->planned->plan();
}

std::int64_t ssu_call::max_batch() const noexcept {
  return prepared_->call.sequences;
}

const ssu_addresses& ssu_call::addresses() const noexcept {
  return prepared_->addresses;
}

void ssu_call::launch(const ssu_addresses& addresses, std::int64_t batch,
                      stream_handle stream) const {
  if (batch < 0 || batch > max_batch()) {
    throw invalid_argument{"batch", "0 to " + std::to_string(max_batch()), std::to_string(batch)};
  }
  const ssu_args args = prepared_->at(addresses);
  if (batch == 0) return;
  detail::enqueue_eager(*prepared_->state, prepared_->call.problem, *prepared_->planned, args,
                        batch, stream);
}

}  // namespace ssugraph
