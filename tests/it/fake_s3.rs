//! A server that gives whatever answer a test wants, over HTTP or TLS.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// `GET /bucket/key?query`
    pub(crate) line: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A status with its reason, headers, a body.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn new(status: &'static str, body: impl Into<String>) -> Answer {
        Answer { status, headers: Vec::new(), body: body.into() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.headers.push((name, value.into()));
        self
    }

    /// An error as S3 writes it.
    pub(crate) fn refusal(status: &'static str, code: &str, message: &str) -> Answer {
        let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>");
        Answer::new(status, body).with("content-type", "application/xml").with("x-amz-request-id", "REQ17")
    }
}

/// The server. Its thread ends with the process.
pub(crate) struct FakeS3 {
    /// `http://127.0.0.1:…` or `https://localhost:…`
    pub(crate) endpoint: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl FakeS3 {
    pub(crate) fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> FakeS3 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (log, answer) = (Arc::clone(&requests), Arc::new(answer));
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                std::thread::spawn(move || serve(socket, &*answer, &log));
            }
        });
        FakeS3 { endpoint, requests }
    }

    /// The same answer to everything.
    pub(crate) fn always(answer: Answer) -> FakeS3 {
        FakeS3::start(move |_| answer.clone())
    }

    /// Over TLS, with a certificate for `localhost` that nobody has signed but itself; the certificate as PEM.
    pub(crate) fn tls(answer: Answer) -> (FakeS3, String) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let pem = made.cert.pem();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config =
            Arc::new(config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let log = Arc::clone(&requests);
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
                let (log, answer) = (Arc::clone(&log), answer.clone());
                let socket = rustls::StreamOwned::new(connection, socket);
                std::thread::spawn(move || serve(socket, &|_: &Request| answer.clone(), &log));
            }
        });
        (FakeS3 { endpoint, requests }, pem)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

/// A server that takes connections and never answers.
pub(crate) fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let held: Vec<TcpStream> = listener.incoming().flatten().collect();
        drop(held);
    });
    endpoint
}

/// One request of a connection, and its answer.
fn serve(mut socket: impl Read + Write, answer: &impl Fn(&Request) -> Answer, log: &Mutex<Vec<Request>>) {
    let mut bytes = Vec::new();
    let mut chunk = [0; 8192];
    let head = loop {
        match socket.read(&mut chunk) {
            Ok(0) | Err(_) => return,
            Ok(len) => bytes.extend_from_slice(&chunk[..len]),
        }
        // Spoken to in TLS, a server without it says so in its own way.
        if bytes[0] == 0x16 {
            let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n");
            return;
        }
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let mut lines = text.lines();
    let line = lines.next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    let request = Request { line, headers };
    let body: usize = request.header("content-length").and_then(|len| len.parse().ok()).unwrap_or(0);
    while bytes.len() < head + 4 + body {
        match socket.read(&mut chunk) {
            Ok(0) | Err(_) => return,
            Ok(len) => bytes.extend_from_slice(&chunk[..len]),
        }
    }
    log.lock().unwrap().push(request.clone());
    let answer = answer(&request);
    let mut head = format!("HTTP/1.1 {}\r\nconnection: close\r\n", answer.status);
    answer.headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
    head += &format!("content-length: {}\r\n\r\n", answer.body.len());
    let body = if request.line.starts_with("HEAD ") { "" } else { &answer.body };
    let _ = socket
        .write_all(head.as_bytes())
        .and_then(|()| socket.write_all(body.as_bytes()))
        .and_then(|()| socket.flush());
    // Time to read the answer before the connection is torn down.
    std::thread::sleep(Duration::from_millis(5));
}
