/* RowOrder: what the rows beside each other are sorted by. Modules stay modules: what is below one
 * is sorted by itself. */
#ifndef VIEWER_ROW_ORDER_H
#define VIEWER_ROW_ORDER_H

/* id, word, what it means */
#define ROW_ORDERS(X)                                                                        \
    X(ORDER_TARGET, "target", "as the target has them")                                      \
    X(ORDER_SOURCE, "source", "as the source file has them")                                 \
    X(ORDER_NAME, "name", "by name, numbers by value")                                       \
    X(ORDER_SIZE, "size", "what has most bytes first")                                       \
    X(ORDER_STATE, "state", "the worst state first")                                         \
    X(ORDER_CONFIDENCE, "confidence", "what is least certain first; what is open last")

#define ROW_ORDER_ENUM(id, word, help) id,
typedef enum RowOrder { ROW_ORDERS(ROW_ORDER_ENUM) ROW_ORDER_COUNT } RowOrder;
#undef ROW_ORDER_ENUM

const char *row_order_word(RowOrder order);
const char *row_order_help(RowOrder order);
/* By its word; ROW_ORDER_COUNT when it is none. */
RowOrder row_order_of(const char *word);

#endif
