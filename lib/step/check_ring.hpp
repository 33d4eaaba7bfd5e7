#pragma once

#include <ssugraph/tensor_view.hpp>

#include <cstdint>
#include <string>

/** What rings, cursors and plans must be, before anything runs. */
namespace ssugraph::detail {

/** Throws invalid_argument unless W and T are what rings can have. */
void check_ring_interval(std::int64_t interval, std::int64_t max_seqlen);

/** Throws invalid_argument unless R is enough for W and T, and no more than kernels take. */
void check_ring_length(const std::string& name, std::int64_t ring_rows, std::int64_t interval,
                       std::int64_t max_seqlen);

/** Throws invalid_argument unless `rows`, a cursor or a plan, has `columns` columns and at least
 *  `entries` rows, each dense and at a multiple of 16 bytes. */
void check_ring_rows(const std::string& name, const tensor_view& rows, std::int64_t entries,
                     std::int64_t columns);

/** Throws invalid_argument unless plans can name all slots of `tensor`. */
void check_ring_slots(const std::string& name, const tensor_view& tensor);

}  // namespace ssugraph::detail
