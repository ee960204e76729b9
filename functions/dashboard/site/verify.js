// How a receiver verifies a delivery by Standard Webhooks, in five languages and with nothing but what each brings along.

/** @type {{ id: string, name: string, code: string }[]} */
export const LANGUAGES = [
    {
        id: 'python', name: 'Python', code: `import base64, hashlib, hmac, time

def verify(secret: str, headers, body: bytes) -> None:
    """Raises ValueError unless the delivery is genuine. body: the raw bytes, before any parsing."""
    id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
    if abs(time.time() - int(timestamp)) > 300:
        raise ValueError("too old, or from the future")
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{id}.{timestamp}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    # Several, separated by spaces, while a secret is rotated.
    for signature in headers["webhook-signature"].split(" "):
        version, _, value = signature.partition(",")
        if version == "v1" and hmac.compare_digest(value.encode(), expected.encode()):
            return
    raise ValueError("no signature matches")
`,
    },
    {
        id: 'node', name: 'Node.js', code: `import { createHmac, timingSafeEqual } from 'node:crypto';

/** Throws unless the delivery is genuine. body: a Buffer of the raw bytes, before any parsing. */
export function verify(secret, headers, body) {
  const id = headers['webhook-id'], timestamp = headers['webhook-timestamp'];
  if (!(Math.abs(Date.now() / 1000 - Number(timestamp)) <= 300)) throw new Error('too old, or from the future');
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const expected = createHmac('sha256', key).update(\`\${id}.\${timestamp}.\`).update(body).digest();
  // Several, separated by spaces, while a secret is rotated.
  for (const signature of headers['webhook-signature'].split(' ')) {
    const [version, value = ''] = signature.split(',');
    const given = Buffer.from(value, 'base64');
    if (version === 'v1' && given.length === expected.length && timingSafeEqual(given, expected)) return;
  }
  throw new Error('no signature matches');
}
`,
    },
    {
        id: 'go', name: 'Go', code: `package webhooks

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Verify returns an error unless the delivery is genuine. body: the raw bytes, before any parsing.
func Verify(secret string, header http.Header, body []byte) error {
	id, timestamp := header.Get("webhook-id"), header.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return err
	}
	if age := time.Since(time.Unix(seconds, 0)); age > 5*time.Minute || age < -5*time.Minute {
		return errors.New("too old, or from the future")
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	expected := mac.Sum(nil)
	// Several, separated by spaces, while a secret is rotated.
	for _, signature := range strings.Split(header.Get("webhook-signature"), " ") {
		version, value, _ := strings.Cut(signature, ",")
		given, err := base64.StdEncoding.DecodeString(value)
		if err == nil && version == "v1" && hmac.Equal(given, expected) {
			return nil
		}
	}
	return errors.New("no signature matches")
}
`,
    },
    {
        id: 'java', name: 'Java', code: `import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.Base64;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

final class Webhooks {
    /** Throws unless the delivery is genuine. body: the raw bytes, before any parsing. */
    static void verify(String secret, String id, String timestamp, String signatures, byte[] body)
            throws GeneralSecurityException {
        long age = Instant.now().getEpochSecond() - Long.parseLong(timestamp);
        if (Math.abs(age) > 300) throw new SecurityException("too old, or from the future");
        byte[] key = Base64.getDecoder().decode(secret.replaceFirst("^whsec_", ""));
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        mac.update((id + "." + timestamp + ".").getBytes(StandardCharsets.UTF_8));
        String expected = "v1," + Base64.getEncoder().encodeToString(mac.doFinal(body));
        // Several, separated by spaces, while a secret is rotated.
        for (String signature : signatures.split(" ")) {
            if (MessageDigest.isEqual(signature.getBytes(StandardCharsets.UTF_8), expected.getBytes(StandardCharsets.UTF_8))) return;
        }
        throw new SecurityException("no signature matches");
    }
}
`,
    },
    {
        id: 'ruby', name: 'Ruby', code: `require "openssl"

# Raises unless the delivery is genuine. body: the raw bytes, before any parsing.
def verify(secret, headers, body)
  id, timestamp = headers.fetch("webhook-id"), headers.fetch("webhook-timestamp")
  raise "too old, or from the future" if (Time.now.to_i - Integer(timestamp, 10)).abs > 300
  key = secret.delete_prefix("whsec_").unpack1("m")
  expected = "v1," + [OpenSSL::HMAC.digest("SHA256", key, "#{id}.#{timestamp}.".b + body.b)].pack("m0")
  # Several, separated by spaces, while a secret is rotated.
  genuine = headers.fetch("webhook-signature").split(" ").any? do |signature|
    OpenSSL.secure_compare(signature, expected)
  end
  raise "no signature matches" unless genuine
end
`,
    },
];
