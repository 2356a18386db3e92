//! An S3 server in this process: `s3s` checks signatures and speaks the protocol, `s3s-fs` keeps objects in files.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::dto::*;
use s3s::service::S3ServiceBuilder;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tokio::sync::{RwLock, oneshot};
use waloy::storage::{Retry, S3Options};

/// An access key that is as good as the first, with the same secret.
pub(crate) const RENEWED: &str = "AKIARENEWED";

/// What may be wrong with a server.
#[derive(Clone)]
pub(crate) enum Trouble {
    /// Requests for keys that end so are never answered.
    Hangs(String),
    /// It breaks every connection off.
    Gone,
    /// It takes this much longer for everything.
    Slow(Duration),
    /// It answers every request with this status and code.
    Says(u16, &'static str),
    /// It answers so whoever signs with this access key.
    Expired(&'static str, u16, &'static str),
}

/// Something that is done once.
type Act = Box<dyn FnOnce() + Send>;

impl Trouble {
    fn concerns(&self, request: &hyper::Request<hyper::body::Incoming>) -> bool {
        match self {
            Trouble::Hangs(end) => request.uri().path().ends_with(end),
            Trouble::Gone | Trouble::Slow(_) | Trouble::Says(..) => true,
            Trouble::Expired(key, ..) => {
                let signed = request.headers().get("authorization").and_then(|it| it.to_str().ok());
                signed.is_some_and(|signed| signed.contains(key))
            }
        }
    }
}

/// A server with one empty bucket, on a thread of its own. Dropped, it is gone.
pub(crate) struct S3Server {
    /// `http://127.0.0.1:…`.
    pub(crate) endpoint: String,
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
    pub(crate) bucket: String,
    root: tempfile::TempDir,
    requests: Arc<Mutex<Vec<String>>>,
    trouble: Arc<Mutex<Option<Trouble>>>,
    /// What is done before a request for a key that ends so is answered.
    before: Arc<Mutex<Option<(String, Act)>>>,
    unconditional: Arc<AtomicBool>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl S3Server {
    pub(crate) fn start() -> S3Server {
        let (access_key, secret_key, bucket) = ("AKIAWALOY", "a secret that is no secret", "bucket");
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join(bucket)).unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let unconditional = Arc::new(AtomicBool::new(false));
        let store = Objects::new(root.path(), unconditional.clone());
        let mut service = S3ServiceBuilder::new(store);
        let mut auth = SimpleAuth::from_single(access_key, secret_key);
        auth.register(RENEWED.into(), secret_key.into());
        service.set_auth(auth);
        let service = service.build();

        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let log = requests.clone();
        let trouble = Arc::new(Mutex::new(None::<Trouble>));
        let troubles = trouble.clone();
        let before = Arc::new(Mutex::new(None::<(String, Act)>));
        let acts = before.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                let serve = async {
                    loop {
                        let Ok((socket, _)) = listener.accept().await else { continue };
                        let (service, log) = (service.clone(), log.clone());
                        let (troubles, acts) = (troubles.clone(), acts.clone());
                        let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                            log.lock().unwrap().push(format!("{} {}", request.method(), request.uri()));
                            let is_due = |(end, _): &mut (String, Act)| request.uri().path().ends_with(end.as_str());
                            let due = acts.lock().unwrap().take_if(is_due);
                            if let Some((_, act)) = due {
                                act();
                            }
                            let trouble = troubles.lock().unwrap().clone().filter(|it| it.concerns(&request));
                            let answer = hyper::service::Service::call(&service, request);
                            async move {
                                match trouble {
                                    None => answer.await.map_err(|error| format!("{error:?}")),
                                    Some(Trouble::Slow(delay)) => {
                                        tokio::time::sleep(delay).await;
                                        answer.await.map_err(|error| format!("{error:?}"))
                                    }
                                    Some(Trouble::Hangs(_)) => std::future::pending().await,
                                    // The connection breaks off.
                                    Some(Trouble::Gone) => Err("gone".to_owned()),
                                    Some(Trouble::Says(status, code) | Trouble::Expired(_, status, code)) => {
                                        let body = format!("<Error><Code>{code}</Code></Error>");
                                        let answer = hyper::Response::builder().status(status);
                                        Ok(answer.body(s3s::Body::from(body)).unwrap())
                                    }
                                }
                            }
                        });
                        tokio::spawn(async move {
                            let connection = Builder::new(TokioExecutor::new());
                            let _ = connection.serve_connection(TokioIo::new(socket), service).await;
                        });
                    }
                };
                tokio::select! {
                    () = serve => {}
                    _ = stopped => {}
                }
            });
        });
        S3Server {
            endpoint,
            access_key: access_key.into(),
            secret_key: secret_key.into(),
            bucket: bucket.into(),
            root,
            requests,
            trouble,
            before,
            unconditional,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// How to reach it. Retries are quick.
    pub(crate) fn options(&self) -> S3Options {
        S3Options {
            endpoint: Some(self.endpoint.clone()),
            region: Some("us-east-1".into()),
            access_key: Some(self.access_key.clone()),
            secret_key: Some(self.secret_key.clone()),
            retry: Retry { first: Duration::from_millis(5), ..Retry::default() },
            ..S3Options::default()
        }
    }

    /// From here on, requests for keys that end so are never answered.
    pub(crate) fn hang(&self, end: &str) {
        self.be(Trouble::Hangs(end.to_owned()));
    }

    /// Does this before it answers the next request for a key that ends so.
    pub(crate) fn before(&self, end: &str, act: impl FnOnce() + Send + 'static) {
        *self.before.lock().unwrap() = Some((end.to_owned(), Box::new(act)));
    }

    /// From here on, the server is in trouble.
    pub(crate) fn be(&self, trouble: Trouble) {
        *self.trouble.lock().unwrap() = Some(trouble);
    }

    /// From here on, it is well again.
    pub(crate) fn be_well(&self) {
        *self.trouble.lock().unwrap() = None;
    }

    /// From here on it knows no conditional writes, and says so, as some stores do.
    pub(crate) fn refuse_conditions(&self) {
        self.unconditional.store(true, Ordering::Relaxed);
    }

    /// Requests so far, as `GET /bucket/key?query`, those that were refused included.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// The directory with the objects of the bucket, for looking at them and for damaging them.
    pub(crate) fn directory(&self) -> PathBuf {
        self.root.path().join(&self.bucket)
    }

    /// Parts of uploads that are neither finished nor given up.
    pub(crate) fn parts(&self) -> usize {
        let entries = std::fs::read_dir(self.root.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(".upload_id-")).count()
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// `s3s-fs`, with what it leaves out: a conditional write that is one step, keys whose folders have come and gone.
struct Objects {
    root: PathBuf,
    files: FileSystem,
    /// Held for writing while folders vanish.
    folders: RwLock<()>,
    /// Held for writing while an upload is given up: a part on its way then would be left behind.
    parts: RwLock<()>,
    keys: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    unconditional: Arc<AtomicBool>,
}

impl Objects {
    fn new(root: &Path, unconditional: Arc<AtomicBool>) -> Objects {
        let files = FileSystem::new(root).unwrap();
        Objects {
            root: root.canonicalize().unwrap(),
            files,
            folders: RwLock::default(),
            parts: RwLock::default(),
            keys: Mutex::default(),
            unconditional,
        }
    }

    fn refuse_a_condition(&self, condition: Option<&IfNoneMatch>) -> S3Result<()> {
        match condition {
            Some(_) if self.unconditional.load(Ordering::Relaxed) => Err(s3_error!(NotImplemented)),
            _ => Ok(()),
        }
    }

    fn key(&self, bucket: &str, key: &str) -> Arc<tokio::sync::Mutex<()>> {
        self.keys.lock().unwrap().entry(format!("{bucket}/{key}")).or_default().clone()
    }

    /// A folder is no object, and a bucket must be there.
    fn check(&self, bucket: &str, key: &str) -> S3Result<()> {
        let bucket = self.root.join(bucket);
        if !bucket.is_dir() {
            return Err(s3_error!(NoSuchBucket));
        }
        if bucket.join(key).is_dir() {
            return Err(s3_error!(NoSuchKey));
        }
        Ok(())
    }

    fn remove_empty(&self, bucket: &str, key: &str) {
        let bucket = self.root.join(bucket);
        for folder in bucket.join(key).ancestors().skip(1).take_while(|folder| *folder != bucket) {
            if std::fs::remove_dir(folder).is_err() {
                return;
            }
        }
    }
}

#[async_trait::async_trait]
impl S3 for Objects {
    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        self.check(&request.input.bucket, &request.input.key)?;
        self.files.get_object(request).await
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        self.check(&request.input.bucket, &request.input.key)?;
        self.files.head_object(request).await
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        // As Garage has it: the first key after that one is not under the prefix, so there are no more.
        let ListObjectsV2Input { prefix, start_after, .. } = &request.input;
        if let (Some(prefix), Some(after)) = (prefix, start_after)
            && after < prefix
        {
            let is_truncated = Some(false);
            return Ok(S3Response::new(ListObjectsV2Output { is_truncated, ..Default::default() }));
        }
        let _folders = self.folders.read().await;
        self.files.list_objects_v2(request).await
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        self.check(&request.input.bucket, "-")?;
        self.refuse_a_condition(request.input.if_none_match.as_ref())?;
        let key = self.key(&request.input.bucket, &request.input.key);
        let _folders = self.folders.read().await;
        let _key = key.lock().await;
        self.files.put_object(request).await
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let (bucket, key) = (request.input.bucket.clone(), request.input.key.clone());
        let _folders = self.folders.write().await;
        let answer = self.files.delete_object(request).await;
        self.remove_empty(&bucket, &key);
        answer
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let bucket = request.input.bucket.clone();
        let keys: Vec<String> = request.input.delete.objects.iter().map(|object| object.key.clone()).collect();
        let _folders = self.folders.write().await;
        let mut deleted = Vec::new();
        // The files of this one fail where there is none.
        for key in keys {
            let input = DeleteObjectInput { bucket: bucket.clone(), key: key.clone(), ..Default::default() };
            self.files.delete_object(request.clone().map_input(|_| input)).await?;
            self.remove_empty(&bucket, &key);
            deleted.push(DeletedObject { key: Some(key), ..Default::default() });
        }
        Ok(S3Response::new(DeleteObjectsOutput { deleted: Some(deleted), ..Default::default() }))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        self.files.create_multipart_upload(request).await
    }

    async fn upload_part(&self, request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let _parts = self.parts.read().await;
        self.files.upload_part(request).await
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        self.refuse_a_condition(request.input.if_none_match.as_ref())?;
        let key = self.key(&request.input.bucket, &request.input.key);
        let _folders = self.folders.read().await;
        let _key = key.lock().await;
        self.files.complete_multipart_upload(request).await
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let _parts = self.parts.write().await;
        // It says that access is denied to an upload that is not there.
        self.files.abort_multipart_upload(request).await.map_err(|_| s3_error!(NoSuchUpload))
    }
}
