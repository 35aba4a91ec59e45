/* SPDX-License-Identifier: MIT */
/* The event queue of a job. */
#include "job/job_internal.h"

#include "os/wait.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct event_node {
    struct event_node *next;
    struct kiln_event event;
    char text[];
};

bool kiln_event_queue_init(struct kiln_event_queue *queue)
{
    memset(queue, 0, sizeof *queue);
    queue->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    queue->reserve = calloc(1, sizeof *queue->reserve);
    pthread_mutex_init(&queue->lock, NULL);
    return queue->fd >= 0 && queue->reserve != NULL;
}

void kiln_event_queue_dispose(struct kiln_event_queue *queue)
{
    while (queue->first != NULL) {
        struct event_node *next = queue->first->next;

        free(queue->first);
        queue->first = next;
    }
    free(queue->taken);
    free(queue->reserve);
    if (queue->fd >= 0)
        close(queue->fd);
    pthread_mutex_destroy(&queue->lock);
}

/* Progress comes faster than it is drawn: the newest replaces one that still waits. */
static bool coalesce(struct kiln_event_queue *queue, const struct kiln_event *event)
{
    struct event_node *last = queue->last;

    if (event->kind != KILN_EVENT_PROGRESS || last == NULL ||
        last->event.kind != KILN_EVENT_PROGRESS || last->event.phase != event->phase)
        return false;
    last->event.done = event->done;
    last->event.total = event->total;
    last->event.time_ms = event->time_ms;
    return true;
}

static void append(struct kiln_event_queue *queue, struct event_node *node)
{
    uint64_t one = 1;

    node->next = NULL;
    if (queue->last != NULL)
        queue->last->next = node;
    else
        queue->first = node;
    queue->last = node;
    if (write(queue->fd, &one, sizeof one) < 0)
        return; /* it is full, and so readable already */
}

void kiln_event_queue_put(struct kiln_event_queue *queue, const struct kiln_event *event)
{
    size_t length = event->text != NULL ? strlen(event->text) + 1 : 0;
    struct event_node *node;

    pthread_mutex_lock(&queue->lock);
    if (!coalesce(queue, event)) {
        if (event->kind == KILN_EVENT_RESULT) {
            node = queue->reserve;
            queue->reserve = NULL;
        } else {
            node = malloc(sizeof *node + length);
        }
        if (node != NULL) {
            node->event = *event;
            if (length > 0) {
                memcpy(node->text, event->text, length);
                node->event.text = node->text;
            }
            append(queue, node);
        }
    }
    pthread_mutex_unlock(&queue->lock);
}

/* The eventfd is readable while something waits; the queue itself is looked at under the lock. */
static void wait_for_event(const struct kiln_event_queue *queue, uint32_t timeout_ms)
{
    struct kiln_ctx ctx;

    kiln_ctx_init(&ctx, kiln_system_clock());
    (void)kiln_deadline_narrow(&ctx, timeout_ms);
    if (kiln_wait_fd(&ctx, queue->fd, POLLIN, NULL) != KILN_OK)
        return; /* nothing came: the caller sees it */
}

bool kiln_event_queue_take(struct kiln_event_queue *queue, struct kiln_event *out_event,
                           uint32_t timeout_ms)
{
    struct event_node *node;
    uint64_t count;

    if (timeout_ms > 0 && !queue->ended)
        wait_for_event(queue, timeout_ms);
    pthread_mutex_lock(&queue->lock);
    node = queue->first;
    if (node != NULL) {
        queue->first = node->next;
        if (queue->first == NULL) {
            queue->last = NULL;
            while (read(queue->fd, &count, sizeof count) > 0)
                continue;
        }
        free(queue->taken);
        queue->taken = node;
        *out_event = node->event;
        queue->ended = node->event.kind == KILN_EVENT_RESULT;
    }
    pthread_mutex_unlock(&queue->lock);
    return node != NULL;
}
