/* What OpenSSL alone takes for a mutual TLS 1.3 handshake: both ends in this process, joined by memory, P-256 certificates that each side verifies,
 * no session tickets. usage: handshake COUNT FOLDER (ca.pem, server.pem, server.key, device.pem, device.key). Prints CPU-milliseconds a handshake. */
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static SSL_CTX *side(const SSL_METHOD *method, const char *folder, const char *who) {
  char path[3][1024];
  snprintf(path[0], sizeof path[0], "%s/%s.pem", folder, who);
  snprintf(path[1], sizeof path[1], "%s/%s.key", folder, who);
  snprintf(path[2], sizeof path[2], "%s/ca.pem", folder);
  SSL_CTX *ctx = SSL_CTX_new(method);
  SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
  SSL_CTX_set_num_tickets(ctx, 0);
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
  if (SSL_CTX_use_certificate_chain_file(ctx, path[0]) != 1 || SSL_CTX_use_PrivateKey_file(ctx, path[1], SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_load_verify_locations(ctx, path[2], NULL) != 1) {
    fprintf(stderr, "handshake: cannot read %s\n", path[0]);
    exit(2);
  }
  return ctx;
}

static void shake(SSL_CTX *device, SSL_CTX *server) {
  BIO *left, *right;
  BIO_new_bio_pair(&left, 1 << 15, &right, 1 << 15);
  SSL *client = SSL_new(device), *service = SSL_new(server);
  SSL_set_bio(client, left, left);
  SSL_set_bio(service, right, right);
  SSL_set_connect_state(client);
  SSL_set1_host(client, "localhost");
  SSL_set_accept_state(service);
  for (int turn = 0; turn < 20 && (!SSL_is_init_finished(client) || !SSL_is_init_finished(service)); turn++) {
    SSL_do_handshake(client);
    SSL_do_handshake(service);
  }
  if (!SSL_is_init_finished(client) || !SSL_is_init_finished(service)) {
    fprintf(stderr, "handshake: it did not end\n");
    exit(1);
  }
  SSL_free(client);
  SSL_free(service);
}

int main(int count, char **given) {
  if (count != 3) return 2;
  int rounds = atoi(given[1]);
  SSL_CTX *device = side(TLS_client_method(), given[2], "device"), *server = side(TLS_server_method(), given[2], "server");
  for (int i = 0; i < 20; i++) shake(device, server);
  clock_t from = clock();
  for (int i = 0; i < rounds; i++) shake(device, server);
  printf("%.4f\n", (double)(clock() - from) * 1000 / CLOCKS_PER_SEC / rounds);
  return 0;
}
