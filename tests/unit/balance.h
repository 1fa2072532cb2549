/* For tests: whether a ledger says of every tensor what became of it, once and without a
 * contradiction. */
#ifndef TESTS_UNIT_BALANCE_H
#define TESTS_UNIT_BALANCE_H

#include "loader/align/align.h"
#include "tests/unit/test.h"

static inline void assert_balance(const Alignment *alignment)
{
    const Summary *summary = align_summary(alignment);
    size_t targets = 0, sources = 0;
    for (int i = 0; i < BIND_STATUS_COUNT; i++) targets += summary->bind[i];
    for (int i = 0; i < USE_STATUS_COUNT; i++) sources += summary->use[i];
    assert_int_equal(targets, align_count(alignment));
    assert_int_equal(sources, align_use_count(alignment));
    for (size_t i = 0; i < align_count(alignment); i++) {
        const Binding *binding = align_binding(alignment, i);
        bool takes = binding->status == BIND_LOADED || binding->status == BIND_TIED;
        assert_ptr_equal(align_find(alignment, binding->name), binding);
        if (takes || binding->status == BIND_FILLED) assert_non_null(align_value(binding));
        for (uint32_t j = 0; takes && j < binding->source_count; j++)
            assert_int_equal(align_find_use(alignment, binding->sources[j]->name)->status,
                             USE_USED);
    }
    for (size_t i = 0; i < align_use_count(alignment); i++) {
        const SourceUse *use = align_use(alignment, i);
        size_t count;
        align_uses_of(alignment, i, &count);
        assert_int_equal(count > 0, use->status == USE_USED);
        if (use->nearest) assert_non_null(align_find(alignment, use->nearest));
    }
}

#endif
