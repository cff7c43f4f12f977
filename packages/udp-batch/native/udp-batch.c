/*
 * UDP in batches, for Linux: one recvmmsg takes what has come, one call into JavaScript answers it, one sendmmsg sends
 * the answers. All memory that packets pass through is one block that JavaScript made:
 *
 *   int32 received[SLOTS]   length of each packet; 0: nothing to answer
 *   int32 answered[SLOTS]   length of each answer, written by JavaScript; 0: none
 *   uint8 peers[SLOTS][PEER_BYTES]      struct sockaddr of each sender
 *   uint8 packets[SLOTS][packetBytes]   one octet longer than what is taken, so that a longer one shows
 *   uint8 answers[SLOTS][answerBytes]
 *
 * JavaScript checks all arguments; what is checked here is what could read or write out of bounds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <node_api.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#define SLOTS 64
#define PEER_BYTES 28
/* Full batches taken before the rest of the event loop gets its turn. */
#define BATCHES 4
/* What comes in a pause of the event loop waits here. The system gives less where it is told to. */
#define RECEIVE_BUFFER (1 << 20)

_Static_assert(sizeof(struct sockaddr_in6) == PEER_BYTES, "a peer is as long as the longest address");

typedef struct {
  uv_poll_t poll;
  int fd;
  napi_env env;
  napi_ref memory;
  napi_ref callback;
  napi_async_context context;
  int32_t *received;
  int32_t *answered;
  struct mmsghdr in[SLOTS];
  struct iovec in_data[SLOTS];
  struct mmsghdr out[SLOTS];
  struct iovec out_data[SLOTS];
  uint8_t *peers;
  uint8_t *answers;
  uint32_t packet_bytes;
  uint32_t answer_bytes;
  bool is_closed;
} receiver;

static napi_value fail(napi_env env, int error) {
  napi_throw_error(env, uv_err_name(-error), uv_strerror(-error));
  return NULL;
}

/* Sends what JavaScript wrote. An answer that cannot be sent is a lost packet, as any other on the way. */
static void send_answers(receiver *self, int count) {
  unsigned int ready = 0;
  for (int slot = 0; slot < count; slot += 1) {
    int32_t length = self->answered[slot];
    if (length <= 0 || (uint32_t)length > self->answer_bytes) continue;
    self->out_data[ready].iov_base = self->answers + (size_t)slot * self->answer_bytes;
    self->out_data[ready].iov_len = (size_t)length;
    struct msghdr *header = &self->out[ready].msg_hdr;
    memset(header, 0, sizeof *header);
    header->msg_name = self->peers + (size_t)slot * PEER_BYTES;
    header->msg_namelen = self->in[slot].msg_hdr.msg_namelen;
    header->msg_iov = &self->out_data[ready];
    header->msg_iovlen = 1;
    ready += 1;
  }
  for (unsigned int sent = 0; sent < ready;) {
    int done = sendmmsg(self->fd, self->out + sent, ready - sent, MSG_DONTWAIT);
    if (done < 0 && errno == EINTR) continue;
    sent += done > 0 ? (unsigned int)done : 1;
  }
}

static int receive(receiver *self) {
  for (int slot = 0; slot < SLOTS; slot += 1) {
    self->in[slot].msg_hdr.msg_namelen = PEER_BYTES;
    self->in[slot].msg_hdr.msg_flags = 0;
  }
  int count = recvmmsg(self->fd, self->in, SLOTS, MSG_DONTWAIT, NULL);
  for (int slot = 0; slot < count; slot += 1) {
    bool is_whole = (self->in[slot].msg_hdr.msg_flags & MSG_TRUNC) == 0 && self->in[slot].msg_len < self->packet_bytes;
    self->received[slot] = is_whole ? (int32_t)self->in[slot].msg_len : 0;
    self->answered[slot] = 0;
  }
  return count;
}

static void throw_uncaught(napi_env env) {
  napi_value error;
  if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_fatal_exception(env, error);
}

static void on_readable(uv_poll_t *poll, int status, int events) {
  receiver *self = poll->data;
  for (int batch = 0; batch < BATCHES && !self->is_closed; batch += 1) {
    int count = receive(self);
    if (count <= 0) return;
    napi_handle_scope scope;
    if (napi_open_handle_scope(self->env, &scope) != napi_ok) return;
    napi_value callback, global, argument;
    napi_get_reference_value(self->env, self->callback, &callback);
    napi_get_global(self->env, &global);
    napi_create_int32(self->env, count, &argument);
    napi_status called = napi_make_callback(self->env, self->context, global, callback, 1, &argument, NULL);
    if (called == napi_pending_exception) throw_uncaught(self->env);
    napi_close_handle_scope(self->env, scope);
    /* Nothing of a batch that failed is sent. */
    if (called != napi_ok) return;
    if (!self->is_closed) send_answers(self, count);
    if (count < SLOTS) return;
  }
}

/* open(address: string, port: number): descriptor */
static napi_value open_socket(napi_env env, napi_callback_info info) {
  size_t count = 2, length = 0;
  napi_value arguments[2];
  char address[INET6_ADDRSTRLEN + 1];
  uint32_t port = 0;
  napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
  napi_get_value_string_utf8(env, arguments[0], address, sizeof address, &length);
  napi_get_value_uint32(env, arguments[1], &port);
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  bool is_v6 = inet_pton(AF_INET6, address, &v6.sin6_addr) == 1;
  if (!is_v6 && inet_pton(AF_INET, address, &v4.sin_addr) != 1) return fail(env, EINVAL);
  int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail(env, errno);
  const int on = 1, buffer = RECEIVE_BUFFER;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  struct sockaddr *name = is_v6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4;
  bool is_bound = (!is_v6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0) &&
                  bind(fd, name, is_v6 ? sizeof v6 : sizeof v4) == 0;
  if (!is_bound) {
    int error = errno;
    close(fd);
    return fail(env, error);
  }
  napi_value result;
  napi_create_int32(env, fd, &result);
  return result;
}

static void lay_out(receiver *self, uint8_t *memory) {
  self->received = (int32_t *)memory;
  self->answered = self->received + SLOTS;
  self->peers = (uint8_t *)(self->answered + SLOTS);
  uint8_t *packets = self->peers + SLOTS * PEER_BYTES;
  self->answers = packets + (size_t)SLOTS * self->packet_bytes;
  for (int slot = 0; slot < SLOTS; slot += 1) {
    self->in_data[slot].iov_base = packets + (size_t)slot * self->packet_bytes;
    self->in_data[slot].iov_len = self->packet_bytes;
    self->in[slot].msg_hdr.msg_name = self->peers + slot * PEER_BYTES;
    self->in[slot].msg_hdr.msg_iov = &self->in_data[slot];
    self->in[slot].msg_hdr.msg_iovlen = 1;
  }
}

static void release(uv_handle_t *handle) {
  free(handle->data);
}

/* start(descriptor, memory: ArrayBuffer, packetBytes, answerBytes, callback: (count) => void): receiver */
static napi_value start(napi_env env, napi_callback_info info) {
  size_t count = 5, size = 0;
  napi_value arguments[5], name, result;
  void *memory = NULL;
  receiver *self = calloc(1, sizeof *self);
  if (self == NULL) return fail(env, ENOMEM);
  napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
  napi_get_value_int32(env, arguments[0], &self->fd);
  napi_get_arraybuffer_info(env, arguments[1], &memory, &size);
  napi_get_value_uint32(env, arguments[2], &self->packet_bytes);
  napi_get_value_uint32(env, arguments[3], &self->answer_bytes);
  size_t needed = SLOTS * (2 * sizeof(int32_t) + PEER_BYTES + (size_t)self->packet_bytes + self->answer_bytes);
  uv_loop_t *loop = NULL;
  napi_get_uv_event_loop(env, &loop);
  if (memory == NULL || size < needed || loop == NULL || uv_poll_init(loop, &self->poll, self->fd) != 0) {
    free(self);
    return fail(env, EINVAL);
  }
  self->poll.data = self;
  self->env = env;
  lay_out(self, memory);
  napi_create_reference(env, arguments[1], 1, &self->memory);
  napi_create_reference(env, arguments[4], 1, &self->callback);
  napi_create_string_utf8(env, "UDPBATCH", NAPI_AUTO_LENGTH, &name);
  napi_async_init(env, NULL, name, &self->context);
  uv_poll_start(&self->poll, UV_READABLE, on_readable);
  napi_create_external(env, self, NULL, NULL, &result);
  return result;
}

/* stop(receiver): closes its descriptor. Once. */
static napi_value stop(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument;
  void *data = NULL;
  napi_get_cb_info(env, info, &count, &argument, NULL, NULL);
  if (napi_get_value_external(env, argument, &data) != napi_ok) return fail(env, EINVAL);
  receiver *self = data;
  self->is_closed = true;
  uv_poll_stop(&self->poll);
  close(self->fd);
  napi_delete_reference(env, self->memory);
  napi_delete_reference(env, self->callback);
  napi_async_destroy(env, self->context);
  uv_close((uv_handle_t *)&self->poll, release);
  return NULL;
}

/* send(descriptor, peer: Uint8Array, message: Uint8Array): whether the network took it */
static napi_value send_one(napi_env env, napi_callback_info info) {
  size_t count = 3, peer_bytes = 0, message_bytes = 0;
  napi_value arguments[3], result;
  int32_t fd = -1;
  void *peer = NULL, *message = NULL;
  napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
  napi_get_value_int32(env, arguments[0], &fd);
  napi_get_typedarray_info(env, arguments[1], NULL, &peer_bytes, &peer, NULL, NULL);
  napi_get_typedarray_info(env, arguments[2], NULL, &message_bytes, &message, NULL, NULL);
  bool is_sent = false;
  if (peer != NULL && message != NULL && peer_bytes == PEER_BYTES) {
    struct sockaddr_storage name = {0};
    memcpy(&name, peer, PEER_BYTES);
    socklen_t length = name.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    is_sent = sendto(fd, message, message_bytes, MSG_DONTWAIT, (struct sockaddr *)&name, length) >= 0;
  }
  napi_get_boolean(env, is_sent, &result);
  return result;
}

/* portOf(descriptor): the port it is bound to */
static napi_value port_of(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument, result;
  int32_t fd = -1;
  struct sockaddr_in6 name;
  socklen_t length = sizeof name;
  napi_get_cb_info(env, info, &count, &argument, NULL, NULL);
  napi_get_value_int32(env, argument, &fd);
  if (getsockname(fd, (struct sockaddr *)&name, &length) != 0) return fail(env, errno);
  /* The port is at the same place in both families. */
  napi_create_uint32(env, ntohs(name.sin6_port), &result);
  return result;
}

NAPI_MODULE_INIT() {
  const struct {
    const char *name;
    napi_callback function;
  } functions[] = {
      {"open", open_socket}, {"start", start}, {"stop", stop}, {"send", send_one}, {"portOf", port_of},
  };
  for (size_t at = 0; at < sizeof functions / sizeof *functions; at += 1) {
    napi_value function;
    napi_create_function(env, functions[at].name, NAPI_AUTO_LENGTH, functions[at].function, NULL, &function);
    napi_set_named_property(env, exports, functions[at].name, function);
  }
  return exports;
}
