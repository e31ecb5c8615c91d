#pragma once
#include <stddef.h>

#include <oniguruma.h>

// The encoding and the syntax are macros that take addresses, which Swift cannot spell.
static inline regex_t *expression_open(const UChar *pattern, size_t count) {
  OnigEncoding utf8 = ONIG_ENCODING_UTF8;
  regex_t *expression = NULL;
  onig_initialize(&utf8, 1);
  int status = onig_new(&expression, pattern, pattern + count, ONIG_OPTION_NONE, utf8,
                        ONIG_SYNTAX_DEFAULT, NULL);
  return status == ONIG_NORMAL ? expression : NULL;
}
