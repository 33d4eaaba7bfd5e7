#pragma once

/** @file
 *  The version of these headers; CMake takes the project's from here. Plain macros, for C too. */

#define SSUGRAPH_VERSION_MAJOR 0 /**< a new one may break everything */
#define SSUGRAPH_VERSION_MINOR 2 /**< while major is zero, a new one may, too */
#define SSUGRAPH_VERSION_PATCH 0 /**< a new one breaks nothing */
