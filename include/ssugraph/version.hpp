#pragma once

/** The version of these headers; CMake takes the project's from here. Plain macros, for C too. */
#define SSUGRAPH_VERSION_MAJOR 0
#define SSUGRAPH_VERSION_MINOR 1
#define SSUGRAPH_VERSION_PATCH 0
