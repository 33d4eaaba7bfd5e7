"""Random numbers and stochastic rounding, by the bits of lib/state/stochastic_round.hpp."""

from triton.experimental import gluon
from triton.experimental.gluon import language as gl

from .memory import BFLOAT16, OCTET


@gluon.jit
def philox(c0, c1, c2, c3, key_low, key_high, rounds):
    """Philox-4x32 of a counter. Source: Salmon et al., "Parallel random numbers: as easy as 1, 2,
    3", SC 2011."""
    for _ in range(rounds):
        product_0 = c0.to(gl.uint64) * 0xD2511F53
        product_1 = c2.to(gl.uint64) * 0xCD9E8D57
        c0 = (product_1 >> 32).to(gl.uint32) ^ c1 ^ key_low
        c1 = product_1.to(gl.uint32)
        c2 = (product_0 >> 32).to(gl.uint32) ^ c3 ^ key_high
        c3 = product_0.to(gl.uint32)
        key_low += 0x9E3779B9
        key_high += 0xBB67AE85
    return c0, c1, c2, c3


@gluon.jit
def half_word(words, index):
    """Half-word `index` (0..7) of a draw, in the low bits; what is above them is not cleared."""
    w0, w1, w2, w3 = words
    low = gl.where(index < 2, w0[:, :, None], w1[:, :, None])
    high = gl.where(index < 6, w2[:, :, None], w3[:, :, None])
    return gl.where(index < 4, low, high) >> ((index & 1) * 16).to(gl.uint32)


@gluon.jit
def round_to_bfloat16(value, random):
    """Stochastic rounding by 16 bits; the bf16's bits. See lib/state/stochastic_round.hpp."""
    bits = value.to(gl.uint32, bitcast=True)
    magnitude = bits & 0x7fffffff
    rounded = gl.minimum((magnitude + (random & 0xffff)) >> 16, 0x7f7f)
    rounded = gl.where(magnitude > 0x7f800000, 0x7fff, rounded | ((bits >> 16) & 0x8000))
    return rounded.to(gl.uint16)


@gluon.jit
def round_to_float16(value, random):
    """Stochastic rounding by 13 bits; the fp16's bits."""
    bits = value.to(gl.uint32, bitcast=True)
    magnitude = bits & 0x7fffffff
    r = random & 0x1fff
    normal = (magnitude + r - 0x38000000) >> 13
    # fp16 subnormals share one spacing, 2^-24. Sums that round towards zero have an exact floor:
    # |v| * 2^24 + (1 + r / 2^13), then + (2^23 - 1) leaves the integer in the low bits.
    subnormal = gl.inline_asm_elementwise(
        "{ .reg .f32 a; fma.rz.f32 a, $1, 0f4B800000, $2; add.rz.f32 $0, a, 0f4AFFFFFE; }",
        "=f,f,f", [magnitude.to(gl.float32, bitcast=True),
                   ((r << 10) | 0x3f800000).to(gl.float32, bitcast=True)],
        dtype=gl.float32, is_pure=True, pack=1).to(gl.uint32, bitcast=True) & 0x7fff
    rounded = gl.where(magnitude >= 0x38800000, normal, subnormal)
    rounded = gl.minimum(rounded, 0x7bff) | ((bits >> 16) & 0x8000)
    return gl.where(magnitude > 0x7f800000, 0x7fff, rounded).to(gl.uint16)


@gluon.jit
def round_stochastically(value, row, octet, dstate, element, t, slot, seed, rounds,
                         TYPE: gl.constexpr, VECTOR: gl.constexpr):
    """The bits of `value` in a 16-bit TYPE. `row` counts the slot's rows of dstate. An octet takes
    one draw with VECTOR, for dstate is a multiple of eight; else it takes bits of two."""
    if VECTOR:
        # The counter takes the low 32 bits alone.
        draw = (row.to(gl.int32) * (dstate // OCTET) + octet).to(gl.uint32)
    else:
        first = row * dstate + octet * OCTET
        draw = (first >> 3).to(gl.uint32)
    zero = draw & 0
    c1 = zero + t.to(gl.uint32)
    c2 = zero + slot.to(gl.uint32)
    c3 = zero + (slot >> 32).to(gl.uint32)
    key_low = seed.to(gl.uint32)
    key_high = (seed >> 32).to(gl.uint32)
    words = philox(draw, c1, c2, c3, key_low, key_high, rounds)
    if VECTOR:
        random = half_word(words, element)
    else:
        index = (first & 7).to(gl.int32)[:, :, None] + element
        following = philox(draw + 1, c1, c2, c3, key_low, key_high, rounds)
        random = gl.where(index < OCTET, half_word(words, index),
                          half_word(following, index - OCTET))
    return round_to_bfloat16(value, random) if TYPE == BFLOAT16 else round_to_float16(value, random)
